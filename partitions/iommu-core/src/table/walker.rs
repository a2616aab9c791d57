// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A table walk as the architecture describes it (DDI 0487, D8.2 and D8.3), written apart from the code under test and
//! sharing nothing with it: what stands here as a number was read in the specification.

/// What a walk finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) pa: u64,
    /// First input address and length of the leaf.
    pub(crate) leaf: (u64, u64),
    pub(crate) read: bool,
    pub(crate) write: bool,
    /// nT: a block that may be cached in no way that matters.
    pub(crate) not_cached: bool,
    /// The tables that were read, with the level of each.
    pub(crate) tables: [Option<u64>; 4],
}

/// Whose descriptors they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Stage 1, as a context descriptor with normal memory as its attributes 0 has it.
    One,
    /// Stage 2.
    Two,
}

/// Walks from a table of a level; `read` returns a word of physical memory. `None` for a translation fault.
pub(crate) fn walk(
    read: impl Fn(u64) -> Option<u64>,
    stage: Stage,
    mut table: u64,
    mut level: u32,
    input: u64,
) -> Option<Found> {
    let mut tables = [None; 4];
    loop {
        tables[level as usize] = Some(table);
        let low_bit = 39 - 9 * level;
        let index = (input >> low_bit) % 512;
        let descriptor = read(table + 8 * index)?;
        let address = descriptor & 0x0000_FFFF_FFFF_F000;
        match (descriptor & 3, level) {
            (3, 0..=2) => {
                table = address;
                level += 1;
            }
            (3, 3) | (1, 1 | 2) => {
                let size = 1_u64 << low_bit;
                // Bit 16 of a block is no address bit but nT (D8.3.1).
                let not_cached = level < 3 && descriptor >> 16 & 1 == 1;
                let address = if level < 3 { address & !(1 << 16) } else { address };
                assert_eq!(address % size, 0, "a leaf is aligned to its size");
                assert_eq!(descriptor >> 10 & 1, 1, "AF");
                assert_eq!(descriptor >> 8 & 3, 3, "inner shareable");
                assert_eq!(descriptor >> 48 & 31, 0, "reserved");
                let access = descriptor >> 6 & 3;
                let (read, write) = match stage {
                    Stage::One => {
                        assert_eq!(descriptor >> 2 & 15, 0, "attributes 0, NS");
                        assert_eq!(descriptor >> 11 & 1, 1, "nG");
                        assert_eq!(descriptor >> 53, 3, "PXN, UXN, nothing in ignored bits");
                        assert_eq!(access & 1, 1, "with privilege alone");
                        (true, access == 1)
                    }
                    Stage::Two => {
                        assert_eq!(descriptor >> 2 & 15, 15, "normal write-back");
                        assert_eq!(descriptor >> 53, 2, "never execute, nothing in ignored bits");
                        (access & 1 == 1, access & 2 == 2)
                    }
                };
                return Some(Found {
                    pa: address + input % size,
                    leaf: (input - input % size, size),
                    read,
                    write,
                    not_cached,
                    tables,
                });
            }
            _ => return None,
        }
    }
}

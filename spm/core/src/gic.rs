// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What registers of the GICv3 hold (IHI 0069): which redistributor is a core's, and how a core interrupts another, or itself
//! for the normal world.

/// The schedule receiver interrupt: a software generated interrupt that the secure world leaves to the normal one (FF-A 1.2
/// §10.4.1.1). Linux uses 0 to 7 itself, and Hafnium takes the same.
pub const SCHEDULE_RECEIVER_SGI: u32 = 8;

/// The software generated interrupt by which cores make each other look at their partitions' interrupts. EL3 has made it a
/// secure one.
pub const KICK_SGI: u32 = 15;

/// INTID of the secure EL2 physical timer (Arm BSA 1.0, PPI assignments).
pub const TIMER_INTID: u32 = 20;

/// Bytes from one redistributor to the next: two frames of 64 KiB, or four where there are virtual LPIs.
const STRIDE: u64 = 0x2_0000;
const STRIDE_VLPIS: u64 = 0x4_0000;
/// GICR_TYPER (12.11.35): there are virtual LPIs; it is the last one of its region. Bits 63–32: the core.
const VLPIS: u64 = 1 << 1;
const LAST: u64 = 1 << 4;

/// The affinities of MPIDR_EL1, packed as GICR_TYPER has them: Aff3 to Aff0, eight bits each.
fn affinity(mpidr: u64) -> u64 {
    mpidr >> 32 << 24 & 0xff00_0000 | mpidr & 0x00ff_ffff
}

/// Returns where in a region of `bytes` bytes the redistributor of the core with this MPIDR_EL1 begins. `typer` reads the
/// GICR_TYPER of the one at an offset; where it cannot, the search ends.
pub fn find_redistributor(bytes: u64, mpidr: u64, mut typer: impl FnMut(u64) -> Option<u64>) -> Option<u64> {
    let mut offset = 0_u64;
    while offset.checked_add(STRIDE)? <= bytes {
        let typer = typer(offset)?;
        if typer >> 32 == affinity(mpidr) {
            return Some(offset);
        }
        if typer & LAST != 0 {
            return None;
        }
        offset = offset.checked_add(if typer & VLPIS == 0 { STRIDE } else { STRIDE_VLPIS })?;
    }
    None
}

/// Returns what to write to ICC_ASGI1R_EL1 (12.2.10) to send the core with this MPIDR_EL1 an interrupt of the other security
/// state, or to ICC_SGI1R_EL1 (12.2.22) to send it one of this; `interrupt` is below 16.
#[must_use]
pub fn sgi_to(mpidr: u64, interrupt: u32) -> u64 {
    let field = |lowest_bit: u32| mpidr >> lowest_bit & 0xff;
    let (aff3, aff2, aff1, aff0) = (field(32), field(16), field(8), field(0));
    let interrupt = u64::from(interrupt & 0xf);
    // The target is bit Aff0 modulo 16 of the list, in the range Aff0 / 16.
    aff3 << 48 | (aff0 >> 4) << 44 | aff2 << 32 | interrupt << 24 | aff1 << 16 | 1 << (aff0 & 0xf)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Redistributors of cores 0 to 3 of two clusters, the last of which is marked.
    fn region(stride: u64) -> impl Fn(u64) -> Option<u64> {
        move |offset| {
            assert_eq!(offset % stride, 0, "a place without a redistributor");
            let index = offset / stride;
            let vlpis = if stride == STRIDE { 0 } else { VLPIS };
            let last = if index == 3 { LAST } else { 0 };
            Some((((index / 2) << 8) | (index % 2)) << 32 | vlpis | last | 0xabcd_0000)
        }
    }

    #[test]
    fn each_core_finds_its_own() {
        for stride in [STRIDE, STRIDE_VLPIS] {
            for (mpidr, index) in [(0, 0), (1, 1), (0x100, 2), (0x101, 3)] {
                // Bits 31 and 24 are no affinities.
                let found = find_redistributor(8 * stride, 1 << 31 | 1 << 24 | mpidr, region(stride));
                assert_eq!(found, Some(index * stride));
            }
        }
    }

    #[test]
    fn a_core_without_one_finds_none() {
        let region = region(STRIDE);
        assert_eq!(find_redistributor(8 * STRIDE, 0x102, &region), None, "the last one is marked");
        assert_eq!(find_redistributor(3 * STRIDE, 0x101, &region), None, "the region ends before");
        assert_eq!(find_redistributor(STRIDE - 1, 0, &region), None, "not even one");
        assert_eq!(find_redistributor(64 * STRIDE, 0x5_0000_0000, |_| Some(0)), None, "no end is marked");
    }

    #[test]
    fn what_cannot_be_read_ends_the_search() {
        let mut reads = 0;
        let typer = |offset| {
            reads += 1;
            (offset == 0).then_some(0)
        };
        assert_eq!(find_redistributor(8 * STRIDE, 2, typer), None);
        assert_eq!(reads, 2);
    }

    #[test]
    fn aff3_is_part_of_the_core() {
        let typer = |offset: u64| Some((offset / STRIDE) << (24 + 32));
        assert_eq!(find_redistributor(8 * STRIDE, 0x3_0000_0000, typer), Some(3 * STRIDE));
    }

    #[test]
    fn an_interrupt_goes_to_one_core() {
        assert_eq!(sgi_to(0x8000_0000, 8), 0x0800_0001);
        assert_eq!(sgi_to(0x8000_0003, 8), 0x0800_0008);
        assert_eq!(sgi_to(0x0012_8134_5612, 1), 0x0012_1034_0156_0004);
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the host can reach: an identity map of what is named, and nothing else (Arm ARM, D8.3, stage 2, 4 KiB granule).
//!
//! Memory that can become a guest's is mapped page by page from the start, so that a page that moves is one descriptor,
//! valid or not: no block is ever split while it is in use.

use crate::{platform, registers};
use nwd::Region;
use spin::mutex::SpinMutex;

/// Tables for 256 MiB page by page, and three levels at both ends of each other range.
const TABLES: usize = 192;
const ENTRIES: usize = 512;
const PAGE_SHIFT: u32 = 12;
const LEVELS: [u32; 4] = [39, 30, 21, PAGE_SHIFT];
/// Level whose entries are pages.
const LAST: usize = 3;

/// Descriptor bits (Arm ARM, D8.3.1 and D8.3.2).
const VALID: u64 = 1 << 0;
const TABLE_OR_PAGE: u64 = 1 << 1;
const WRITE_BACK: u64 = 0b1111 << 2;
const DEVICE_NGNRE: u64 = 0b0001 << 2;
const READ: u64 = 1 << 6;
const WRITE: u64 = 1 << 7;
const INNER_SHAREABLE: u64 = 0b11 << 8;
const ACCESSED: u64 = 1 << 10;
const NEVER_EXECUTED: u64 = 0b10 << 53;
const ADDRESS: u64 = 0x0000_ffff_ffff_f000;

/// What the host may do with a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// RAM, for everything.
    Memory,
    /// Device registers.
    Device,
}

impl Access {
    const fn bits(self) -> u64 {
        match self {
            Self::Memory => WRITE_BACK | READ | WRITE | INNER_SHAREABLE | ACCESSED,
            Self::Device => DEVICE_NGNRE | READ | WRITE | NEVER_EXECUTED | ACCESSED,
        }
    }
}

/// How a range may be mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granule {
    /// By blocks where they fit.
    Largest,
    /// Page by page: single pages can be taken and given.
    Page,
}

/// The tables are used up, or a range is mapped twice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CannotMap;

#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Table([u64; ENTRIES]);

struct Tables {
    all: [Table; TABLES],
    used: usize,
}

static STAGE2: SpinMutex<Tables> = SpinMutex::new(Tables { all: [Table([0; ENTRIES]); TABLES], used: 1 });

impl Tables {
    fn address(&self, table: usize) -> Option<u64> {
        self.all.get(table).map(|table| (&raw const *table) as u64)
    }

    fn index_of(&self, address: u64) -> Option<usize> {
        let offset = address.checked_sub(self.address(0)?)?;
        usize::try_from(offset >> PAGE_SHIFT).ok()
    }

    fn entry(&mut self, table: usize, level: usize, address: u64) -> Option<&mut u64> {
        let shift = LEVELS.get(level)?;
        let index = usize::try_from(address >> shift).ok()? % ENTRIES;
        self.all.get_mut(table)?.0.get_mut(index)
    }

    /// Returns the table below an entry, which it makes where there is none.
    fn below(&mut self, table: usize, level: usize, address: u64) -> Option<usize> {
        let entry = *self.entry(table, level, address)?;
        if entry & VALID == 0 {
            let new = self.used;
            let at = self.address(new)?;
            self.used += 1;
            *self.entry(table, level, address)? = at | TABLE_OR_PAGE | VALID;
            return Some(new);
        }
        if entry & TABLE_OR_PAGE == 0 { None } else { self.index_of(entry & ADDRESS) }
    }

    fn map(&mut self, range: Region, access: Access, granule: Granule) -> Option<()> {
        let (mut at, end) = (range.base, range.base.checked_add(range.size)?);
        while at < end {
            at = self.map_one(at, end, access, granule)?;
        }
        Some(())
    }

    /// Maps one page or block, and returns the address behind it.
    fn map_one(&mut self, at: u64, end: u64, access: Access, granule: Granule) -> Option<u64> {
        let mut table = 0;
        for (level, shift) in LEVELS.iter().enumerate() {
            let size = 1_u64 << shift;
            let fits = at.is_multiple_of(size) && end - at >= size;
            let is_leaf = level == LAST || granule == Granule::Largest && level > 0 && fits;
            if is_leaf {
                let kind = if level == LAST { TABLE_OR_PAGE } else { 0 };
                let entry = self.entry(table, level, at)?;
                if *entry != 0 {
                    return None;
                }
                *entry = at | access.bits() | kind | VALID;
                return at.checked_add(size);
            }
            table = self.below(table, level, at)?;
        }
        None
    }

    /// Returns the descriptor of a page that is mapped page by page.
    fn page(&mut self, address: u64) -> Option<&mut u64> {
        let mut table = 0;
        for level in 0..LAST {
            let entry = *self.entry(table, level, address)?;
            if entry & (VALID | TABLE_OR_PAGE) != VALID | TABLE_OR_PAGE {
                return None;
            }
            table = self.index_of(entry & ADDRESS)?;
        }
        self.entry(table, LAST, address)
    }
}

/// Maps a range, before the host runs.
pub(crate) fn map(range: Region, access: Access, granule: Granule) -> Result<(), CannotMap> {
    STAGE2.lock().map(range, access, granule).ok_or(CannotMap)
}

/// Returns the address of the root.
pub(crate) fn root() -> Option<u64> {
    STAGE2.lock().address(0)
}

/// Tells whether a page is one of those that can move, and the host can reach it.
pub(crate) fn is_hosts(address: u64) -> bool {
    let offset = address.checked_sub(platform::MOVABLE.base);
    let movable = offset.is_some_and(|offset| platform::MOVABLE.inside(offset, platform::PAGE).is_some());
    movable && STAGE2.lock().page(address).is_some_and(|entry| *entry & VALID != 0)
}

/// Lets the host reach a page that can move, or not any more. When this returns no core has an older translation.
pub(crate) fn set(address: u64, reachable: bool) -> Result<(), CannotMap> {
    {
        let mut tables = STAGE2.lock();
        let entry = tables.page(address).ok_or(CannotMap)?;
        *entry = if reachable { *entry | VALID } else { *entry & !VALID };
    }
    registers::forget_translation(address);
    Ok(())
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Turns the ELF file of a position-independent image into the flat bytes that boot.
//!
//! What boots has no loader but itself: it is linked at 0, and its entry code applies relocations of one kind. So all
//! that a loader would otherwise see to is checked here, on the machine that builds.

use anyhow::{Context as _, Result, bail};
use object::LittleEndian;
use object::elf::{self, FileHeader64, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader as _, SectionHeader as _, Sym as _};

/// No image may become larger, in bytes: a mistake in a linker script would else fill the disk.
const MAX_SIZE: u64 = 16 << 20;
/// Bytes of one entry of `.rela.dyn` (ELF-64, `Elf64_Rela`).
const RELA_SIZE: u64 = 24;
const PAGE_SIZE: u64 = 4096;
/// Relocations in packed form (generic ELF ABI, `DT_RELR`).
const DT_RELR: u32 = 36;

type Header = FileHeader64<LittleEndian>;
type Segment = ProgramHeader64<LittleEndian>;

/// An image as it boots, and what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Flat {
    /// What is loaded: everything up to the end of `.data`.
    pub(crate) bytes: Vec<u8>,
    /// Memory that the image takes, in bytes, with what it clears itself behind `bytes`.
    pub(crate) memory_size: u64,
    /// Bytes of `.text` and `.rodata`.
    pub(crate) text_rodata_size: u64,
    /// Offset at which the policy has to follow, if the image reserves a place for one.
    pub(crate) policy_start: Option<u64>,
}

/// Flattens an ELF file; `name` stands for it in messages.
///
/// # Errors
/// It is no image that can move itself: the message names what is in the way.
pub(crate) fn flatten(name: &str, data: &[u8]) -> Result<Flat> {
    read(data).with_context(|| format!("{name} cannot be made a flat image"))
}

fn read(data: &[u8]) -> Result<Flat> {
    let header = Header::parse(data)?;
    let endian = header.endian()?;
    if header.e_machine(endian) != elf::EM_AARCH64 {
        bail!("it is not for AArch64");
    }
    if header.e_entry(endian) != 0 {
        bail!("its entry point is at {:#x}, but it is entered at its first byte", header.e_entry(endian));
    }
    let segments = header.program_headers(endian, data)?;
    let (bytes, memory_size) = load(segments, data)?;
    check_relocations(segments, data, bytes.len() as u64)?;
    let mut text_rodata_size = 0;
    let sections = header.sections(endian, data)?;
    for section in sections.iter() {
        if matches!(sections.section_name(endian, section)?, b".text" | b".rodata") {
            text_rodata_size += section.sh_size(endian);
        }
    }
    if text_rodata_size == 0 {
        bail!("it has neither .text nor .rodata");
    }
    let symbols = sections.symbols(endian, data, elf::SHT_SYMTAB)?;
    let mut policy_start = None;
    for symbol in symbols.iter() {
        if symbols.symbol_name(endian, symbol)? == b"__policy_start" {
            policy_start = Some(symbol.st_value(endian));
        }
    }
    Ok(Flat { bytes, memory_size, text_rodata_size, policy_start })
}

/// Puts the segments where they are linked; returns the file's part and the size in memory.
fn load(segments: &[Segment], data: &[u8]) -> Result<(Vec<u8>, u64)> {
    let mut bytes: Vec<u8> = Vec::new();
    let mut memory_end = 0u64;
    let mut cleared = false;
    for segment in segments.iter().filter(|segment| segment.p_type(LittleEndian) == elf::PT_LOAD) {
        let start = segment.p_vaddr(LittleEndian);
        let end = start.checked_add(segment.p_memsz(LittleEndian)).filter(|end| *end <= MAX_SIZE);
        let Some(end) = end else { bail!("a segment at {start:#x} reaches beyond {MAX_SIZE:#x}") };
        if segment.p_filesz(LittleEndian) > segment.p_memsz(LittleEndian) {
            bail!("the segment at {start:#x} has more bytes in the file than in memory");
        }
        if start < memory_end {
            bail!("the segment at {start:#x} overlaps the one before it");
        }
        if memory_end == 0 && start != 0 {
            bail!("its first segment is at {start:#x}, it must be linked at 0");
        }
        let content = segment.data(LittleEndian, data).ok().context("a segment lies outside the file")?;
        if !content.is_empty() {
            if cleared {
                bail!("the segment at {start:#x} has content behind memory that the image clears itself");
            }
            bytes.resize(usize::try_from(start)?, 0);
            bytes.extend_from_slice(content);
        }
        cleared |= segment.p_memsz(LittleEndian) > content.len() as u64;
        memory_end = end;
    }
    if bytes.is_empty() {
        bail!("it has no segment to load");
    }
    Ok((bytes, memory_end.next_multiple_of(PAGE_SIZE)))
}

/// Checks that the entry code's loop over `.rela.dyn` is all that is needed.
fn check_relocations(segments: &[Segment], data: &[u8], loaded: u64) -> Result<()> {
    let mut table = None;
    let mut size = 0;
    for segment in segments {
        let Some(entries) = segment.dynamic(LittleEndian, data)? else { continue };
        for entry in entries {
            let value = entry.d_val.get(LittleEndian);
            match u32::try_from(entry.d_tag.get(LittleEndian)) {
                Ok(elf::DT_NULL) => break,
                Ok(elf::DT_RELA) => table = Some(value),
                Ok(elf::DT_RELASZ) => size = value,
                Ok(elf::DT_RELAENT) if value != RELA_SIZE => bail!("its relocations have {value} bytes each"),
                Ok(elf::DT_REL | elf::DT_JMPREL | DT_RELR) => {
                    bail!("it has relocations in a form that its entry code does not read")
                }
                Ok(elf::DT_NEEDED) => bail!("it needs a shared library"),
                _ => {}
            }
        }
    }
    let Some(table) = table else { return Ok(()) };
    if size == 0 {
        return Ok(());
    }
    if table.checked_add(size).is_none_or(|end| end > loaded) {
        bail!("its relocations are not within what is loaded");
    }
    for number in 0..size / RELA_SIZE {
        check_relocation(segments, data, table + number * RELA_SIZE, loaded)?;
    }
    Ok(())
}

fn check_relocation(segments: &[Segment], data: &[u8], at: u64, loaded: u64) -> Result<()> {
    let entry = segments.iter().find_map(|segment| {
        let of_load = segment.p_type(LittleEndian) == elf::PT_LOAD;
        of_load.then(|| segment.data_range(LittleEndian, data, at, RELA_SIZE).ok().flatten()).flatten()
    });
    let mut words = entry.unwrap_or_default().as_chunks::<8>().0.iter().map(|word| u64::from_le_bytes(*word));
    let (Some(offset), Some(info), Some(_)) = (words.next(), words.next(), words.next()) else {
        bail!("the relocation at {at:#x} lies in no segment");
    };
    if info != u64::from(elf::R_AARCH64_RELATIVE) {
        bail!("the relocation at {at:#x} is of kind {info:#x}; only R_AARCH64_RELATIVE is applied at entry");
    }
    if offset.checked_add(8).is_none_or(|end| end > loaded) {
        bail!("the relocation at {at:#x} changes {offset:#x}, which is not within what is loaded");
    }
    Ok(())
}

#[cfg(test)]
#[path = "flatten_tests.rs"]
mod tests;

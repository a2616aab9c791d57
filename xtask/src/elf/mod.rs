// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the ELF file of an image tells beyond what boots: its functions, its code, and the places in source text.

mod places;

pub(crate) use places::{Frame, Places};

use anyhow::{Context as _, Result};
use object::LittleEndian as LE;
use object::elf::{self, FileHeader64};
use object::read::elf::{FileHeader as _, SectionHeader as _, Sym as _};
use std::collections::BTreeMap;
use std::ops::Range;

/// A function, or a labelled part of one in assembly.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Function {
    /// Its names, demangled; the linker may have merged several.
    pub(crate) names: Vec<String>,
    /// Its addresses, up to the next function.
    pub(crate) range: Range<u64>,
    /// Whether it is a label in assembly, not a function of the compiler's.
    pub(crate) is_label: bool,
}

/// What is known of an image's code.
#[derive(Debug)]
pub(crate) struct Code {
    /// Address of the first byte.
    pub(crate) start: u64,
    /// The bytes of `.text`.
    pub(crate) bytes: Vec<u8>,
    /// All functions by their addresses, without a gap.
    pub(crate) functions: Vec<Function>,
    /// Addresses that stand in data: whoever reads them may jump there.
    pub(crate) pointers: Vec<u64>,
}

impl Code {
    /// Reads it from an ELF file's bytes.
    ///
    /// # Errors
    /// It is no ELF file with symbols.
    pub(crate) fn read(data: &[u8]) -> Result<Self> {
        let header = FileHeader64::<LE>::parse(data)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let (_, text) = sections.section_by_name(endian, b".text").context("it has no .text")?;
        let start = text.sh_addr(endian);
        let bytes = text.data(endian, data)?.to_vec();
        let end = start + bytes.len() as u64;
        let mut labels: BTreeMap<u64, (Vec<String>, bool)> = BTreeMap::new();
        let symbols = sections.symbols(endian, data, elf::SHT_SYMTAB)?;
        for symbol in symbols.iter() {
            let name = String::from_utf8_lossy(symbols.symbol_name(endian, symbol)?).into_owned();
            let at = symbol.st_value(endian);
            let is_code = matches!(symbol.st_type(), elf::STT_FUNC | elf::STT_NOTYPE)
                && symbol.st_shndx(endian) != elf::SHN_UNDEF
                && symbol.st_shndx(endian) != elf::SHN_ABS;
            // Mapping symbols (ELF for the Arm 64-bit Architecture, 5.5.5) begin with `$`.
            if is_code && (start..end).contains(&at) && !name.starts_with('$') {
                let (names, is_label) = labels.entry(at).or_insert((Vec::new(), true));
                names.push(demangle(&name));
                *is_label &= symbol.st_type() == elf::STT_NOTYPE;
            }
        }
        let starts: Vec<u64> = labels.keys().copied().collect();
        let ends = starts.iter().skip(1).copied().chain([end]);
        let functions = labels
            .into_values()
            .zip(starts.iter().copied().zip(ends))
            .map(|((names, is_label), (from, to))| Function { names, range: from..to, is_label })
            .collect();
        let mut pointers = Vec::new();
        for section in sections.iter() {
            if let Some((entries, _)) = section.rela(endian, data)? {
                let addends = entries.iter().map(|entry| entry.r_addend.get(LE).cast_unsigned());
                pointers.extend(addends.filter(|to| (start..end).contains(to)));
            }
        }
        pointers.sort_unstable();
        pointers.dedup();
        Ok(Self { start, bytes, functions, pointers })
    }

    /// Returns the place in [`Code::functions`] of the function at an address.
    pub(crate) fn at(&self, address: u64) -> Option<usize> {
        let place =
            self.functions.partition_point(|function| function.range.start <= address).checked_sub(1)?;
        self.functions.get(place)?.range.contains(&address).then_some(place)
    }

    /// Returns the instructions of a range with their addresses.
    pub(crate) fn instructions(&self, range: &Range<u64>) -> impl Iterator<Item = (u64, u32)> {
        let from = usize::try_from(range.start - self.start).unwrap_or(usize::MAX);
        let to = usize::try_from(range.end - self.start).unwrap_or(usize::MAX);
        let words = self.bytes.get(from..to).unwrap_or_default().chunks_exact(4);
        (range.start..).step_by(4).zip(words.map(|word| {
            let mut bytes = [0; 4];
            bytes.copy_from_slice(word);
            u32::from_le_bytes(bytes)
        }))
    }
}

/// Returns a symbol's name as in source text, without its hash.
pub(crate) fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}

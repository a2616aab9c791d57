// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From an address to the place in source text, through all functions that were inlined there.

use super::demangle;
use addr2line::gimli::{Dwarf, EndianSlice, LittleEndian, SectionId};
use anyhow::Result;
use object::LittleEndian as LE;
use object::elf::FileHeader64;
use object::read::elf::{FileHeader as _, SectionHeader as _};

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// One function at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// Its name; empty if it is not told.
    pub(crate) function: String,
    /// The file, as the compiler was given it.
    pub(crate) file: String,
    /// The line, 0 if it is not told.
    pub(crate) line: u32,
}

/// Debug information of an image.
pub(crate) struct Places<'a> {
    context: addr2line::Context<Reader<'a>>,
}

impl<'a> Places<'a> {
    /// Reads it from an ELF file's bytes.
    ///
    /// # Errors
    /// The file or its debug information is malformed.
    pub(crate) fn read(data: &'a [u8]) -> Result<Self> {
        let header = FileHeader64::<LE>::parse(data)?;
        let endian = header.endian()?;
        let sections = header.sections(endian, data)?;
        let section = |id: SectionId| -> Result<Reader<'a>> {
            let bytes = match sections.section_by_name(endian, id.name().as_bytes()) {
                Some((_, section)) => section.data(endian, data)?,
                None => &[],
            };
            Ok(EndianSlice::new(bytes, LittleEndian))
        };
        Ok(Self { context: addr2line::Context::from_dwarf(Dwarf::load(section)?)? })
    }

    /// Returns the functions at an address, the innermost one first; none in code without debug information.
    ///
    /// # Errors
    /// The debug information is malformed.
    pub(crate) fn frames(&self, address: u64) -> Result<Vec<Frame>> {
        let mut found = self.context.find_frames(address).skip_all_loads()?;
        let mut frames = Vec::new();
        while let Some(frame) = found.next()? {
            let function = match &frame.function {
                Some(function) => demangle(&function.raw_name()?),
                None => String::new(),
            };
            let (file, line) = frame.location.map_or((None, None), |location| (location.file, location.line));
            frames.push(Frame {
                function,
                file: file.unwrap_or_default().to_owned(),
                line: line.unwrap_or(0),
            });
        }
        Ok(frames)
    }
}

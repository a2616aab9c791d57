// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Archives in the form that Linux unpacks into its first file system: cpio's `newc` (Linux,
//! Documentation/driver-api/early-userspace/buffer-format.rst). Everything belongs to root and has no time, so that equal
//! content makes equal bytes.

use anyhow::{Context as _, Result};

/// Types and permissions in the field `c_mode`, as `stat(2)` has them.
const DIRECTORY: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const FILE: u32 = 0o100_644;
const CHARACTER_DEVICE: u32 = 0o020_600;
/// The name that ends an archive.
const TRAILER: &str = "TRAILER!!!";
/// Headers and contents begin at a multiple of this.
const ALIGNMENT: usize = 4;

/// An archive that grows.
#[derive(Debug, Default)]
pub(super) struct Archive {
    bytes: Vec<u8>,
    entries: u32,
}

impl Archive {
    /// Adds a directory; the one that it lies in has to be there.
    pub(super) fn directory(&mut self, path: &str) -> Result<()> {
        self.entry(path, DIRECTORY, (0, 0), &[])
    }

    /// Adds a program.
    pub(super) fn program(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.entry(path, PROGRAM, (0, 0), content)
    }

    /// Adds a file that is no program.
    pub(super) fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        self.entry(path, FILE, (0, 0), content)
    }

    /// Adds a character device by its major and minor number.
    pub(super) fn character_device(&mut self, path: &str, number: (u32, u32)) -> Result<()> {
        self.entry(path, CHARACTER_DEVICE, number, &[])
    }

    /// Ends the archive and returns it.
    pub(super) fn finish(mut self) -> Result<Vec<u8>> {
        self.entry(TRAILER, 0, (0, 0), &[])?;
        Ok(self.bytes)
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), content: &[u8]) -> Result<()> {
        self.entries += 1;
        let size =
            u32::try_from(content.len()).with_context(|| format!("{path} is too large for an archive"))?;
        let name_size = u32::try_from(path.len() + 1)?;
        self.bytes.extend(b"070701");
        // c_ino, c_mode, c_uid, c_gid, c_nlink, c_mtime, c_filesize, c_maj, c_min, c_rmaj, c_rmin, c_namesize, c_chksum
        for field in [self.entries, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0] {
            self.bytes.extend(format!("{field:08x}").bytes());
        }
        self.bytes.extend(path.bytes());
        self.bytes.push(0);
        self.align();
        self.bytes.extend(content);
        self.align();
        Ok(())
    }

    fn align(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGNMENT), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One entry as a reader sees it: path, mode, device, content.
    type Entry = (String, u32, (u32, u32), Vec<u8>);

    /// Reads an archive by the format's own description, up to the trailer.
    fn read(bytes: &[u8]) -> Vec<Entry> {
        let mut entries = Vec::new();
        let mut at = 0;
        loop {
            assert_eq!(&bytes[at..at + 6], b"070701");
            let text = std::str::from_utf8(&bytes[at + 6..at + 110]).unwrap();
            let field = |n: usize| u32::from_str_radix(&text[n * 8..n * 8 + 8], 16).unwrap();
            let name_end = at + 110 + field(11) as usize;
            let name = std::str::from_utf8(&bytes[at + 110..name_end - 1]).unwrap().to_owned();
            assert_eq!(bytes[name_end - 1], 0);
            let content = name_end.next_multiple_of(4);
            let end = content + field(6) as usize;
            if name == TRAILER {
                assert_eq!(end.next_multiple_of(4), bytes.len());
                return entries;
            }
            entries.push((name, field(1), (field(9), field(10)), bytes[content..end].to_vec()));
            at = end.next_multiple_of(4);
        }
    }

    #[test]
    fn what_is_put_in_is_read_again_whatever_its_length() {
        let mut archive = Archive::default();
        archive.directory("dev").unwrap();
        archive.character_device("dev/console", (5, 1)).unwrap();
        let contents: Vec<Vec<u8>> = (0..9_u8).map(|length| vec![length; usize::from(length)]).collect();
        for content in &contents {
            archive.file(&"f".repeat(content.len() + 1), content).unwrap();
        }
        archive.program("init", b"#!").unwrap();
        let entries = read(&archive.finish().unwrap());
        assert_eq!(entries[0], ("dev".to_owned(), 0o040_755, (0, 0), Vec::new()));
        assert_eq!(entries[1], ("dev/console".to_owned(), 0o020_600, (5, 1), Vec::new()));
        assert_eq!(entries.last().unwrap(), &("init".to_owned(), 0o100_755, (0, 0), b"#!".to_vec()));
        let files: Vec<_> = entries[2..11].iter().map(|(.., content)| content.clone()).collect();
        assert_eq!(files, contents);
    }

    #[test]
    fn entries_have_numbers_of_their_own_so_that_none_is_a_link_to_another() {
        let mut archive = Archive::default();
        archive.file("a", b"1").unwrap();
        archive.file("b", b"2").unwrap();
        let bytes = archive.finish().unwrap();
        let numbers: Vec<_> =
            bytes.windows(14).filter(|w| w.starts_with(b"070701")).map(|w| w[6..].to_vec()).collect();
        assert_eq!(numbers, [b"00000001", b"00000002", b"00000003"].map(|n| n.to_vec()));
    }
}

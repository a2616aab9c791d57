// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of [`super`] on small ELF files made by hand.

use super::*;

/// One segment of a made-up file: type, address, content, size in memory.
type Part<'a> = (u32, u64, &'a [u8], u64);

fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Makes an ELF file with a `.text` section of 8 bytes and, at wish, the symbol `__policy_start`.
fn elf(entry: u64, parts: &[Part<'_>], policy: Option<u64>) -> Vec<u8> {
    const NAMES: &[u8] = b"\0.text\0.symtab\0.strtab\0__policy_start\0";
    let mut content = Vec::new();
    let mut headers = Vec::new();
    let start = 64 + 56 * parts.len() as u64;
    for (kind, address, bytes, size) in parts {
        let offset = start + content.len() as u64;
        headers.extend_from_slice(&kind.to_le_bytes());
        headers.extend_from_slice(&5u32.to_le_bytes());
        headers.extend(bytes_of(&[offset, *address, *address, bytes.len() as u64, *size, 4096]));
        content.extend_from_slice(bytes);
    }
    let names_at = start + content.len() as u64;
    content.extend_from_slice(NAMES);
    let symbols_at = start + content.len() as u64;
    content.extend([0; 24]);
    if let Some(value) = policy {
        content.extend_from_slice(&23u32.to_le_bytes());
        content.extend_from_slice(&[0x10, 0, 0xf1, 0xff]);
        content.extend(bytes_of(&[value, 0]));
    }
    let symbols_size = start + content.len() as u64 - symbols_at;
    let sections_at = start + content.len() as u64;
    let mut section = |name: u32, kind: u32, offset: u64, size: u64, link: u32, entry: u64| {
        content.extend_from_slice(&name.to_le_bytes());
        content.extend_from_slice(&kind.to_le_bytes());
        content.extend(bytes_of(&[0, 0, offset, size]));
        content.extend_from_slice(&link.to_le_bytes());
        content.extend_from_slice(&0u32.to_le_bytes());
        content.extend(bytes_of(&[1, entry]));
    };
    section(0, 0, 0, 0, 0, 0);
    section(1, 1, start, 8, 0, 0);
    section(7, 2, symbols_at, symbols_size, 3, 24);
    section(15, 3, names_at, NAMES.len() as u64, 0, 0);
    let mut file = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    file.extend_from_slice(&[3, 0, 183, 0, 1, 0, 0, 0]);
    file.extend(bytes_of(&[entry, 64, sections_at]));
    file.extend_from_slice(&[0, 0, 0, 0, 64, 0, 56, 0]);
    file.extend_from_slice(&u16::try_from(parts.len()).unwrap().to_le_bytes());
    file.extend_from_slice(&[64, 0, 4, 0, 3, 0]);
    file.extend(headers);
    file.extend(content);
    file
}

const LOAD: u32 = 1;
const DYNAMIC: u32 = 2;

fn why(file: &[u8]) -> String {
    format!("{:#}", flatten("x", file).unwrap_err())
}

#[test]
fn segments_stand_where_they_are_linked() {
    let file = elf(0, &[(LOAD, 0, b"abcdefgh", 8), (LOAD, 0x1000, b"data", 0x2345)], Some(0x2000));
    let flat = flatten("x", &file).unwrap();
    assert_eq!(flat.bytes.len(), 0x1004);
    assert_eq!(flat.bytes.get(..8).unwrap(), b"abcdefgh");
    assert_eq!(flat.bytes.get(0x1000..).unwrap(), b"data");
    assert_eq!(flat.memory_size, 0x4000);
    assert_eq!(flat.text_rodata_size, 8);
    assert_eq!(flat.policy_start, Some(0x2000));
    assert_eq!(flatten("x", &elf(0, &[(LOAD, 0, b"abcdefgh", 8)], None)).unwrap().policy_start, None);
}

#[test]
fn what_cannot_boot_is_refused() {
    assert!(why(&elf(4, &[(LOAD, 0, b"abcdefgh", 8)], None)).contains("entry point"));
    assert!(why(&elf(0, &[(LOAD, 0x1000, b"abcdefgh", 8)], None)).contains("linked at 0"));
    assert!(why(&elf(0, &[(LOAD, 0, b"abcdefgh", 9), (LOAD, 8, b"x", 1)], None)).contains("overlaps"));
    assert!(why(&elf(0, &[(LOAD, 0, b"abcdefgh", 9), (LOAD, 16, b"x", 1)], None)).contains("clears itself"));
    assert!(why(&elf(0, &[(LOAD, 0, b"abcdefgh", 4)], None)).contains("more bytes"));
    assert!(why(&elf(0, &[(LOAD, 0, b"abcdefgh", u64::MAX)], None)).contains("beyond"));
    assert!(why(&elf(0, &[], None)).contains("no segment"));
}

fn with_relocations(table: &[u64], tags: &[u64]) -> Vec<u8> {
    let mut image = vec![0; 0x40];
    image.extend(bytes_of(table));
    let dynamic = bytes_of(tags);
    elf(0, &[(LOAD, 0, &image, 0x1000), (DYNAMIC, 0, &dynamic, dynamic.len() as u64)], None)
}

#[test]
fn only_relative_relocations_within_the_image_pass() {
    let tags = [7, 0x40, 8, 24, 9, 24, 0, 0];
    assert!(flatten("x", &with_relocations(&[8, 1027, 0], &tags)).is_ok());
    assert!(why(&with_relocations(&[8, 1025, 0], &tags)).contains("0x401"));
    assert!(why(&with_relocations(&[0x58, 1027, 0], &tags)).contains("changes 0x58"));
    assert!(why(&with_relocations(&[u64::MAX, 1027, 0], &tags)).contains("not within"));
    assert!(why(&with_relocations(&[8, 1027, 0], &[7, 0x40, 8, 48, 0, 0])).contains("not within"));
    assert!(why(&with_relocations(&[8, 1027, 0], &[7, u64::MAX, 8, 24, 0, 0])).contains("not within"));
    assert!(why(&with_relocations(&[8, 1027, 0], &[7, 0x40, 8, 24, 36, 0, 0, 0])).contains("form"));
    assert!(why(&with_relocations(&[8, 1027, 0], &[1, 0, 0, 0])).contains("shared library"));
    assert!(why(&with_relocations(&[8, 1027, 0], &[9, 16, 0, 0])).contains("16 bytes each"));
}

#[test]
fn no_damaged_file_makes_it_panic() {
    let good = elf(0, &[(LOAD, 0, b"abcdefgh", 8), (LOAD, 0x1000, b"data", 0x2345)], Some(0x2000));
    for end in 0..good.len() {
        drop(flatten("x", good.get(..end).unwrap()));
    }
    for position in 0..good.len() {
        for value in [0, 1, 0x7f, 0xff] {
            let mut bad = good.clone();
            bad[position] = value;
            drop(flatten("x", &bad));
        }
    }
}

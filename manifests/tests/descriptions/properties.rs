// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Damaged descriptions are refused or read, and never stop the compiler itself.

use crate::source::folder;
use manifests::{Blob, Platform};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
    sync::LazyLock,
};

/// The compiled description of one platform.
static TREE: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let source = folder().join("qemu-sbsa");
    let output = Command::new("dtc")
        .args(["-q", "-I", "dts", "-O", "dtb", "-i"])
        .arg(&source)
        .arg(source.join("policy.dts"))
        .output()
        .expect("dtc");
    assert!(output.status.success());
    output.stdout
});

/// The same as source, in one text.
static SOURCE: LazyLock<Vec<String>> = LazyLock::new(|| {
    let mut child = Command::new("dtc")
        .args(["-q", "-I", "dtb", "-O", "dts", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("dtc");
    child.stdin.take().unwrap().write_all(&TREE).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
});

/// Reads a tree, and uses what was accepted as far as no other program is needed.
fn read(bytes: &[u8]) -> bool {
    match Platform::from_dtb("damaged", Path::new("damaged.dtb"), bytes) {
        Ok(platform) => {
            assert_eq!(platform.policy.check(), Ok(()));
            assert!(Blob::encode(&platform.policy).is_ok());
            assert!(platform.constants().is_ok());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

#[test]
fn the_undamaged_tree_is_read() {
    assert!(read(&TREE));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200)) {
        prop_assert!(!read(&bytes));
    }

    #[test]
    fn damaged_bytes(changes in vec((any::<Index>(), any::<u8>()), 1..8)) {
        let mut bytes = TREE.clone();
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        read(&bytes);
    }

    #[test]
    fn damaged_words(
        changes in vec((any::<Index>(), prop_oneof![Just(0), Just(1), Just(u32::MAX), any::<u32>()]), 1..4)
    ) {
        let mut bytes = TREE.clone();
        for (place, value) in changes {
            let place = place.index(bytes.len() / 4) * 4;
            bytes[place..place + 4].copy_from_slice(&value.to_be_bytes());
        }
        read(&bytes);
    }

    #[test]
    fn truncated(length: Index) {
        prop_assert!(!read(&TREE[..length.index(TREE.len())]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Takes lines away or doubles them, and lets the real compiler judge first.
    #[test]
    fn damaged_source(changes in vec((any::<Index>(), any::<bool>()), 1..4)) {
        let mut lines = SOURCE.clone();
        for (place, double) in changes {
            let place = place.index(lines.len());
            if double {
                let line = lines[place].clone();
                lines.insert(place, line);
            } else {
                lines.remove(place);
            }
        }
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("damaged")).unwrap();
        fs::write(folder.path().join("damaged/policy.dts"), lines.join("\n")).unwrap();
        if let Err(error) = Platform::load(folder.path(), "damaged") {
            prop_assert!(error.to_string().contains("policy.dts"), "{}", error);
        }
    }
}

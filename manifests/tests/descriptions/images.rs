// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Packing: the policy behind the image, manifest and image in the package, and what does not fit.

use crate::source::platform;
use manifests::{Blob, IMAGE_OFFSET, MANIFEST_OFFSET, Reason, package, with_policy};

#[test]
fn policy_stands_at_its_symbol() {
    let blob = Blob::encode(&platform("qemu-virt").policy).unwrap();
    let image = with_policy(&[0xaa; 100], 0x2000, &blob).unwrap();
    assert_eq!(image[..100], [0xaa; 100]);
    assert!(image[100..0x2000].iter().all(|byte| *byte == 0));
    assert_eq!(image[0x2000..], blob.bytes);
    assert_eq!(image[0x2000..0x2004], *b"SGP1");
}

#[test]
fn images_that_reach_into_their_policy_are_refused() {
    let blob = Blob::encode(&platform("qemu-virt").policy).unwrap();
    for (image, start) in [(0x1001, 0x1000), (10, 0x1010), (10, u64::MAX)] {
        let error = with_policy(&vec![0; image], start, &blob).unwrap_err();
        assert!(matches!(&error.reason, Reason::Image(words) if words.contains("__policy_start")), "{error}");
    }
}

#[test]
fn packages_hold_manifest_and_image() {
    let platform = platform("qemu-virt");
    let partition = platform.partition("test-sp").unwrap();
    let package = package(partition, b"manifest", b"image").unwrap();
    let words: Vec<_> =
        package[4..24].chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
    assert_eq!(package[..4], *b"SPKG");
    assert_eq!(words, [2, 0x1000, 8, 0x4000, 5]);
    assert_eq!(package[MANIFEST_OFFSET..MANIFEST_OFFSET + 8], *b"manifest");
    assert_eq!(package[IMAGE_OFFSET..], *b"image");
}

#[test]
fn packages_must_fit() {
    let platform = platform("qemu-virt");
    for (name, manifest, image) in
        [("test-sp", 0x3001, 1), ("test-sp", 1, 0x20_0000), ("iommu-sp", 1, 0x40_0000)]
    {
        let partition = platform.partition(name).unwrap();
        let error = package(partition, &vec![0; manifest], &vec![0; image]).unwrap_err();
        assert!(matches!(error.reason, Reason::TooLarge(..)), "{error}");
        assert!(error.to_string().contains(name), "{error}");
    }
}

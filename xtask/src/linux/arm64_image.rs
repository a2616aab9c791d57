// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The header of an arm64 kernel image (Linux, Documentation/arch/arm64/booting.rst): what it is, and how much memory it
//! uses from its start on.

use anyhow::{Context as _, Result, bail};

/// Where the fields stand: image_size, 64 bits little-endian, and magic.
const IMAGE_SIZE: usize = 16;
const MAGIC: usize = 56;

/// Returns how many bytes the kernel uses, which is more than the image has.
///
/// # Errors
/// It is no arm64 image, or shorter than it says.
pub(super) fn memory_of(image: &[u8]) -> Result<u64> {
    if image.get(MAGIC..MAGIC + 4) != Some(b"ARM\x64") {
        bail!("it is no arm64 image, or one that is compressed");
    }
    let field = image.get(IMAGE_SIZE..IMAGE_SIZE + 8).and_then(|bytes| bytes.try_into().ok());
    let size = field.map(u64::from_le_bytes).context("its header is cut off")?;
    if size < image.len() as u64 {
        bail!("it has {} bytes and says that it needs {size}", image.len());
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::memory_of;

    fn image(magic: &[u8; 4], size: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        bytes[16..24].copy_from_slice(&size.to_le_bytes());
        bytes[56..60].copy_from_slice(magic);
        bytes
    }

    #[test]
    fn the_size_in_memory_is_read() {
        assert_eq!(memory_of(&image(b"ARM\x64", 0x1_0000_0040, 64)).unwrap(), 0x1_0000_0040);
    }

    #[test]
    fn what_is_no_image_is_refused() {
        assert!(memory_of(&image(b"ARM\0", 64, 64)).is_err());
        assert!(memory_of(&image(b"ARM\x64", 63, 64)).is_err());
        assert!(memory_of(b"").is_err());
        assert!(memory_of(&[0x1f, 0x8b]).is_err());
    }
}

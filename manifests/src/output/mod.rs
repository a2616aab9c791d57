// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is generated from a description: everything that boots with spm, as text that an integrator can read.
//!
//! | module | who reads it |
//! |---|---|
//! | `spmc_manifest` | TF-A's SPMD and spm |
//! | `tb_fw_config`, `sp_layout` | TF-A's BL2, and its build |
//! | `sp_manifest` | spm and the partition |
//! | `package` | BL2 carries it, spm unpacks it |
//! | `image` | puts the policy behind the iommu service's image |
//! | `constants` | the normal world's scenarios |
//! | `linux_overlay` | a Linux kernel in the place of the scenarios |

mod constants;
mod dts;
mod image;
mod linux_overlay;
mod package;
mod sp_layout;
mod sp_manifest;
mod spmc_manifest;
mod tb_fw_config;

pub use image::with_policy;
pub use linux_overlay::LinuxBoot;
pub use package::{IMAGE_OFFSET, MANIFEST_OFFSET, package};
pub use sp_layout::PartitionFiles;

use crate::{
    error::{Error, Reason, Result},
    source::compile_text,
};

/// A generated device tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceTree {
    /// Source text.
    pub text: String,
    /// The same, compiled.
    pub blob: Vec<u8>,
}

impl DeviceTree {
    /// Compiles a generated text; `name` stands for it in errors.
    fn compile(name: &str, text: String, limit: usize) -> Result<Self> {
        let blob = compile_text(name, &text)?;
        if blob.len() > limit {
            let reason = Reason::TooLarge(name.to_owned(), blob.len() as u64, limit as u64);
            return Err(Error::file(name, reason));
        }
        Ok(Self { text, blob })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trees_above_their_limit_are_refused_by_name() {
        let text = dts::Writer::source("A test.", |root| root.bytes("payload", &[0; 4096]));
        let error = DeviceTree::compile("spmc-manifest", text.clone(), 4096).unwrap_err();
        assert!(
            matches!(&error.reason, Reason::TooLarge(name, size, 4096) if name == "spmc-manifest" && *size > 4096)
        );
        assert!(DeviceTree::compile("spmc-manifest", text, 8192).is_ok());
    }
}

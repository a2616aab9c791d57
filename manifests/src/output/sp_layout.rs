// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SP_LAYOUT_FILE of TF-A's build (docs/components/secure-partition-manager.rst): which files make which package.

use crate::platform::Platform;
use serde_json::{Map, Value, json};
use std::path::PathBuf;

/// The files of one partition, relative to the layout file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionFiles {
    /// Name of the partition in the description.
    pub name: String,
    /// Flat image; the iommu service's with its policy behind it.
    pub image: PathBuf,
    /// Source of the SP manifest.
    pub manifest: PathBuf,
}

impl Platform {
    /// Generates the SP layout for those partitions that files are given for.
    #[must_use]
    pub fn sp_layout(&self, files: &[PartitionFiles]) -> String {
        let mut layout = Map::new();
        for partition in &self.partitions {
            let Some(files) = files.iter().find(|files| files.name == partition.name) else { continue };
            // UUID and address stand here too, because the tool would else search the manifest's lines for them.
            let entry = json!({
                "image": files.image,
                "pm": files.manifest,
                "uuid": partition.uuid.to_string(),
                "physical-load-address": format!("{:#x}", partition.memory.base),
                "owner": "SiP",
            });
            layout.insert(partition.name.clone(), entry);
        }
        format!("{:#}\n", Value::Object(layout))
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The platforms that images are built for.

use clap::ValueEnum;

/// A platform, by the name of its folder in `manifests/` and `tf-a-integration/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Platform {
    /// QEMU's `sbsa-ref`.
    QemuSbsa,
    /// QEMU's `virt`.
    QemuVirt,
    /// Arm's FVP Base RevC: built, not run.
    Fvp,
}

impl Platform {
    /// Returns the name of the platform's folders.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::QemuSbsa => "qemu-sbsa",
            Self::QemuVirt => "qemu-virt",
            Self::Fvp => "fvp",
        }
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// A machine that images can be run on here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Machine {
    /// QEMU's `sbsa-ref`, the reference server.
    #[value(name = "sbsa-ref", alias = "sbsa")]
    SbsaRef,
    /// QEMU's `virt`.
    Virt,
}

impl Machine {
    /// All machines.
    pub(crate) const ALL: [Self; 2] = [Self::SbsaRef, Self::Virt];

    /// Returns the platform whose images run on the machine.
    pub(crate) fn platform(self) -> Platform {
        match self {
            Self::SbsaRef => Platform::QemuSbsa,
            Self::Virt => Platform::QemuVirt,
        }
    }

    /// Returns QEMU's name of the machine.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SbsaRef => "sbsa-ref",
            Self::Virt => "virt",
        }
    }
}

impl std::fmt::Display for Machine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

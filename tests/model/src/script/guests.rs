// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a hypervisor does for its guests and for itself, as text and back: domains of theirs, devices in them.

use super::text::{ACCESSES, Words};
use ffa_abi::PageOwner;
use std::fmt;

/// Something that a hypervisor asks for with its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Guests {
    /// GUEST_DOMAIN_ALLOC; the handle gets a name.
    Alloc {
        label: u8,
        smmu: u16,
        owner: PageOwner,
    },
    /// GUEST_DOMAIN_FREE.
    Free {
        label: u8,
    },
    /// GUEST_MAP; bit 0 of `access` is read, bit 1 write.
    Map {
        label: u8,
        iova: u64,
        pa: u64,
        pages: u16,
        access: u64,
    },
    /// GUEST_UNMAP.
    Unmap {
        label: u8,
        iova: u64,
        pages: u16,
    },
    /// GUEST_IOVA_TO_PA.
    Look {
        label: u8,
        iova: u64,
    },
    /// DEVICE_ASSIGN.
    Assign {
        smmu: u16,
        stream: u32,
        label: u8,
    },
    /// DEVICE_RETURN.
    Return {
        smmu: u16,
        stream: u32,
    },
    /// QUARANTINE, into it.
    Quarantine {
        smmu: u16,
        stream: u32,
    },
    Release {
        smmu: u16,
        stream: u32,
    },
    /// FAULT_POLL.
    Poll,
}

impl Guests {
    /// Tells whether it has nothing to say to an SMMU.
    pub(crate) const fn needs_no_driver(self) -> bool {
        matches!(self, Self::Alloc { .. } | Self::Map { .. } | Self::Look { .. })
    }
}

impl fmt::Display for Guests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Alloc { label, smmu, owner } => {
                write!(f, "guest-alloc d{label} {smmu} {:#x}", owner.to_register())
            }
            Self::Free { label } => write!(f, "guest-free d{label}"),
            Self::Map { label, iova, pa, pages, access } => {
                let access =
                    usize::try_from(*access).ok().and_then(|bits| ACCESSES.get(bits)).unwrap_or(&"-");
                write!(f, "guest-map d{label} {iova:#x} {pa:#x} {pages} {access}")
            }
            Self::Unmap { label, iova, pages } => write!(f, "guest-unmap d{label} {iova:#x} {pages}"),
            Self::Look { label, iova } => write!(f, "guest-look d{label} {iova:#x}"),
            Self::Assign { smmu, stream, label } => write!(f, "assign {smmu} {stream:#x} d{label}"),
            Self::Return { smmu, stream } => write!(f, "return {smmu} {stream:#x}"),
            Self::Quarantine { smmu, stream } => write!(f, "quarantine {smmu} {stream:#x}"),
            Self::Release { smmu, stream } => write!(f, "release {smmu} {stream:#x}"),
            Self::Poll => write!(f, "guest-poll"),
        }
    }
}

/// Reads what stands behind a word, if that is one of these.
pub(super) fn read(word: &str, words: &mut Words<'_>) -> Option<Result<Guests, String>> {
    let mut read = || {
        Ok(Some(match word {
            "guest-alloc" => {
                let (label, smmu, owner) = (words.label()?, words.small()?, words.number()?);
                let owner = PageOwner::from_register(owner).ok_or_else(|| format!("{owner:#x} is nobody"))?;
                Guests::Alloc { label, smmu, owner }
            }
            "guest-free" => Guests::Free { label: words.label()? },
            "guest-map" => Guests::Map {
                label: words.label()?,
                iova: words.number()?,
                pa: words.number()?,
                pages: words.small()?,
                access: words.access()?,
            },
            "guest-unmap" => {
                Guests::Unmap { label: words.label()?, iova: words.number()?, pages: words.small()? }
            }
            "guest-look" => Guests::Look { label: words.label()?, iova: words.number()? },
            "assign" => {
                Guests::Assign { smmu: words.small()?, stream: words.small()?, label: words.label()? }
            }
            "return" => Guests::Return { smmu: words.small()?, stream: words.small()? },
            "quarantine" => Guests::Quarantine { smmu: words.small()?, stream: words.small()? },
            "release" => Guests::Release { smmu: words.small()?, stream: words.small()? },
            "guest-poll" => Guests::Poll,
            _ => return Ok(None),
        }))
    };
    read().transpose()
}

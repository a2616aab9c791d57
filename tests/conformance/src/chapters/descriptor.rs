// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partition information descriptor (DEN0077A 6.2.1), and what it has to say of the partitions of this suite.

use crate::case::Spmc;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::{EL3_CONTEXTS, EL3_MESSAGING, Partner};
use arm_ffa::{UuidHelper, Version};
use uuid::Uuid;

/// A UUID that nobody offers.
pub(super) const UNKNOWN: Uuid = Uuid::from_u128(0x1234_5678);

/// A partition information descriptor (table 6.1), as far as a version has it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptor {
    id: u16,
    contexts: u16,
    properties: u32,
    uuid: Uuid,
}

/// Reads little-endian words.
pub(super) fn words(bytes: &[u8]) -> [u64; 3] {
    let mut words = [0; 3];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_le_bytes(*bytes);
    }
    words
}

impl Descriptor {
    /// Takes the three words of it apart.
    pub(super) fn read(words: [u64; 3]) -> Self {
        let [head, low, high] = words;
        let [a, b, c, d, e, f, g, h] = head.to_le_bytes();
        Self {
            id: u16::from_le_bytes([a, b]),
            contexts: u16::from_le_bytes([c, d]),
            properties: u32::from_le_bytes([e, f, g, h]),
            uuid: UuidHelper::from_u64_regs([low, high]),
        }
    }

    /// Requires what the specification has for a partition, told to a caller that speaks `version`; `uuid` is what the
    /// descriptor is to have.
    #[track_caller]
    pub(super) fn is(&self, spmc: Spmc, partner: Partner, version: Version, uuid: Uuid) -> Outcome {
        same(self.id, partner.id())?;
        let contexts = match spmc {
            Spmc::Spm => partner.contexts(),
            Spmc::El3 => EL3_CONTEXTS,
        };
        same(self.contexts, contexts)?;
        same(self.properties, properties(spmc, partner, version))?;
        let [low, high] = UuidHelper::to_u64_regs(self.uuid);
        ensure(self.uuid == uuid, [u64::from(self.id), low, high])
    }
}

/// Receipt of notifications, since FF-A 1.1 (table 6.2).
const NOTIFICATIONS: u32 = 1 << 3;
/// AArch64, since FF-A 1.1 (table 6.2).
const AARCH64: u32 = 1 << 8;

/// Returns the protocols that the list of all partitions has for a caller of a version: callers before FF-A 1.2 see one of
/// each partition, and spm's choice is the first (6.2.2).
pub(super) fn listed(
    partners: &'static [Partner],
    version: Version,
) -> impl Iterator<Item = (Partner, Uuid)> {
    let most = if version >= Version(1, 2) { usize::MAX } else { 1 };
    partners
        .iter()
        .flat_map(move |partner| partner.uuids().iter().take(most).map(move |uuid| (*partner, *uuid)))
}

/// The properties field of a partition (table 6.2): what it receives and sends, and its execution state.
fn properties(spmc: Spmc, partner: Partner, version: Version) -> u32 {
    // Direct and indirect messages as in the manifest; indirect ones of partitions came with FF-A 1.1, those of
    // FFA_MSG_SEND_DIRECT_REQ2 with 1.2. What a version does not define is reserved there, and zero.
    let (messaging, receives) = match spmc {
        Spmc::Spm => (partner.messaging(), partner.receives_notifications()),
        Spmc::El3 => (EL3_MESSAGING, false),
    };
    let notifications = if receives { NOTIFICATIONS } else { 0 };
    match version {
        Version(1, 0) => messaging & 0x3,
        Version(1, 1) => messaging & 0x7 | notifications | AARCH64,
        _ => messaging & 0x607 | notifications | AARCH64,
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The partitions of the suite, as `manifests/conformance.dtsi` describes them. xtask tests that both say the same.

use arm_ffa::Version;
use uuid::{Uuid, uuid};

/// How many contexts the one partition has that TF-A's SPMC at EL3 runs: `PLATFORM_CORE_COUNT` on QEMU's `virt`.
pub const EL3_CONTEXTS: u16 = 32;
/// Which messages it may have there.
pub const EL3_MESSAGING: u32 = 0x3;

/// A partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partner {
    /// Has a context for each core and all rights; starts again when it aborts.
    PeerMp,
    /// Has one context and all rights; interrupts of the normal world preempt it; starts again when it aborts.
    PeerUp,
    /// Speaks FF-A 1.1.
    Old11,
    /// Speaks FF-A 1.0.
    Old10,
    /// Takes no direct requests.
    Deaf,
    /// Sends no direct requests; cases stop it.
    Victim,
    /// Runs at S-EL0; takes messages of all kinds, and starts again when it aborts.
    Application,
    /// Sends no direct requests; cases destroy it.
    Doomed,
}

impl Partner {
    /// All of them, in the order of their IDs.
    pub const ALL: [Self; 8] = [
        Self::PeerMp,
        Self::PeerUp,
        Self::Old11,
        Self::Old10,
        Self::Deaf,
        Self::Victim,
        Self::Application,
        Self::Doomed,
    ];

    /// Returns the name in the description.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::PeerMp => "peer-mp",
            Self::PeerUp => "peer-up",
            Self::Old11 => "old-1-1",
            Self::Old10 => "old-1-0",
            Self::Deaf => "deaf",
            Self::Victim => "victim",
            Self::Application => "application",
            Self::Doomed => "doomed",
        }
    }

    /// Returns the endpoint ID.
    #[must_use]
    pub const fn id(self) -> u16 {
        match self {
            Self::PeerMp => 0x8001,
            Self::PeerUp => 0x8002,
            Self::Old11 => 0x8003,
            Self::Old10 => 0x8004,
            Self::Deaf => 0x8005,
            Self::Victim => 0x8006,
            Self::Application => 0x8007,
            Self::Doomed => 0x8008,
        }
    }

    /// Returns the UUIDs of its protocols, that of its package first.
    #[must_use]
    pub const fn uuids(self) -> &'static [Uuid] {
        const PEER_MP: &[Uuid] = &[uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e01")];
        const PEER_UP: &[Uuid] = &[uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e02")];
        const OLD_1_1: &[Uuid] = &[uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e03")];
        const OLD_1_0: &[Uuid] = &[uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e04")];
        const DEAF: &[Uuid] =
            &[uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e05"), uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e15")];
        const VICTIM: &[Uuid] = &[uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e06")];
        const APPLICATION: &[Uuid] = &[uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e07")];
        const DOOMED: &[Uuid] = &[uuid!("a51c4f0e-3d0f-4b1c-8e2b-0d6c1f7a9e08")];
        match self {
            Self::PeerMp => PEER_MP,
            Self::PeerUp => PEER_UP,
            Self::Old11 => OLD_1_1,
            Self::Old10 => OLD_1_0,
            Self::Deaf => DEAF,
            Self::Victim => VICTIM,
            Self::Application => APPLICATION,
            Self::Doomed => DOOMED,
        }
    }

    /// Returns the UUID of its first protocol.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        match self.uuids() {
            [first, ..] => *first,
            [] => Uuid::nil(),
        }
    }

    /// Returns the version that it speaks.
    #[must_use]
    pub const fn version(self) -> Version {
        match self {
            Self::Old11 => Version(1, 1),
            Self::Old10 => Version(1, 0),
            Self::PeerMp | Self::PeerUp | Self::Deaf | Self::Victim | Self::Application | Self::Doomed => {
                Version(1, 2)
            }
        }
    }

    /// Returns how many execution contexts it has.
    #[must_use]
    pub const fn contexts(self) -> u16 {
        match self {
            Self::PeerMp => 8,
            Self::PeerUp
            | Self::Old11
            | Self::Old10
            | Self::Deaf
            | Self::Victim
            | Self::Application
            | Self::Doomed => 1,
        }
    }

    /// Tells whether it takes notifications.
    #[must_use]
    pub const fn receives_notifications(self) -> bool {
        matches!(self, Self::PeerMp | Self::PeerUp | Self::Old11 | Self::Application)
    }

    /// Returns `messaging-method` of its manifest (table 5.1).
    #[must_use]
    pub const fn messaging(self) -> u32 {
        match self {
            Self::PeerMp | Self::PeerUp | Self::Application => 0x607,
            Self::Old11 => 0x7,
            Self::Old10 => 0x3,
            Self::Deaf => 0x402,
            Self::Victim | Self::Doomed => 0x201,
        }
    }
}

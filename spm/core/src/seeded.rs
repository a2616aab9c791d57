// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bugs that are seeded on purpose, to see that the conformance suite notices each of them.
//!
//! They are there only with the feature `seeded-bugs`, which no image that is to protect anything has; without it,
//! [`seeded`] is a constant and nothing of them is left. With it, the SPMC manifest chooses one.

/// A bug. The number is what the manifest's `sidguard,seeded-bug` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Bug {
    /// FFA_VERSION agrees on another version after other calls.
    LateVersion = 1,
    /// FFA_FEATURES and calls do not look at the caller's version.
    NewerFunctions = 2,
    /// FFA_RXTX_MAP takes memory that is not the caller's.
    ForeignBuffers = 3,
    /// FFA_RX_RELEASE succeeds without anything to release.
    EmptyRelease = 4,
    /// A full receive buffer is written again.
    FullBuffer = 5,
    /// FFA_PARTITION_INFO_GET tells callers of FF-A 1.0 what they have no room for.
    LargeDescriptors = 6,
    /// A direct request may be sent in another's name.
    FalseSender = 7,
    /// A direct response may go to whoever did not ask.
    StrayResponse = 8,
    /// x8 to x17 of the sender come along with a direct message.
    LeakedRegisters = 9,
    /// FFA_MSG_WAIT leaves a direct request unanswered.
    EarlyWait = 10,
    /// FFA_RUN lets anybody's work go on.
    AnybodyRuns = 11,
    /// FFA_MSG_SEND2 believes the sender that a header names.
    FalseHeader = 12,
    /// FFA_MEM_RECLAIM takes memory from borrowers that have it.
    EarlyReclaim = 13,
    /// Memory is not zeroed, whoever wants it.
    NoZeros = 14,
    /// FFA_MEM_RETRIEVE_REQ answers a receiver that has the memory.
    RetrievedAgain = 15,
}

#[cfg(feature = "seeded-bugs")]
static CHOSEN: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);

/// Chooses the bug that the SPMC manifest in `bytes` names. Returns its number, if there is one.
#[cfg(feature = "seeded-bugs")]
pub fn choose(bytes: &[u8]) -> Option<u32> {
    let tree = crate::manifest::fdt::Tree::new(bytes).ok()?;
    let number = tree.read(|root| root.u32("sidguard,seeded-bug")).ok()??;
    CHOSEN.store(number, core::sync::atomic::Ordering::Relaxed);
    Some(number)
}

/// Chooses none.
#[cfg(not(feature = "seeded-bugs"))]
#[must_use]
pub const fn choose(_: &[u8]) -> Option<u32> {
    None
}

/// Tells whether a bug is there.
#[cfg(feature = "seeded-bugs")]
#[inline(always)]
#[must_use]
pub fn seeded(bug: Bug) -> bool {
    CHOSEN.load(core::sync::atomic::Ordering::Relaxed) == bug as u32
}

/// Tells whether a bug is there: none is.
#[cfg(not(feature = "seeded-bugs"))]
#[inline(always)]
#[must_use]
pub const fn seeded(_: Bug) -> bool {
    false
}

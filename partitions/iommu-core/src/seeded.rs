// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bugs that are seeded on purpose, to see that the model machine notices each of them.
//!
//! They are there only with the feature `seeded-bugs`, which no image has; without it, [`seeded`] is a constant and nothing
//! of them is left.

/// A bug.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Bug {
    /// Translations are not invalidated when a range is unmapped.
    NoInvalidation = 1,
    /// No CMD_SYNC stands behind a batch of commands.
    NoSync,
    /// A CMD_SYNC is sent, and not waited for.
    NoWait,
    /// A changed stream table entry is not invalidated.
    NoConfigurationInvalidation,
    /// A stream table entry becomes valid before its other words are written.
    ValidFirst,
    /// An entry becomes valid without invalidation of its other words.
    NoForgettingBetween,
    /// A valid entry is given other words.
    LiveEntry,
    /// A domain is freed, and its VMID used again, without invalidation.
    VmidUsedAgain,
    /// The pool may be mapped.
    PoolMapped,
    /// A client gets one page less than its share.
    QuotaOffByOne,
    /// A page that comes back stays charged.
    QuotaKept,
    /// The generation of a handle is not looked at.
    AnyGeneration,
    /// A slot is used again under its old generation.
    SameGeneration,
    /// A table's page is freed before the SMMU has forgotten the table.
    TableFreedEarly,
    /// Cached table descriptors stay when a table is removed.
    WalkCachesKept,
    /// What was removed counts as free before the SMMU has forgotten it.
    SettledEarly,
    /// What another core has removed counts as a hole before the SMMU has forgotten it.
    LeavingIsHole,
    /// A block is split while it is in use.
    LiveSplit,
    /// ATS is switched on for a stream.
    AtsOn,
    /// Translated traffic is not checked.
    AtsUnchecked,
    /// DMA passes while translation is off.
    GateOpen,
    /// What the SMMU has cached before it is brought up stays.
    CachesKeptAtStart,
    /// Commands are not made visible before the SMMU is told of them.
    NoBarrier,
    /// A mapping is not made visible before it is answered.
    MapNotPublished,
    /// A device is set whoever may hold it.
    AnyHolder,
    /// One stream too many is set.
    NeighbourStream,
    /// A domain is freed while a device is in it.
    FreedInUse,
    /// A domain is given to devices behind another SMMU.
    AnySmmu,
    /// A range is invalidated short of its last page.
    ShortRange,
    /// The level hint of an invalidation is that of the level above.
    WrongLevel,
    /// Invalidation goes to the next VMID.
    WrongVmid,
    /// Write access is granted with any.
    WritableAlways,
    /// A page comes into use with what it held before.
    OldPage,
    /// Blocks are used wherever the IOVA allows it.
    MisalignedBlock,
    /// A table that another core was faster to install is lost.
    LostTable,
    /// The page behind managed memory counts as managed.
    OwnershipOffByOne,
    /// A domain that is freed gives back one page only.
    PagesKept,
    /// A call maps as much as it is asked for.
    NoBudget,
    /// The end of a range is computed without a check.
    UncheckedSum,
    /// Leaves of two sizes that were removed count as of the first one's.
    MixtureForgotten,
    /// A key is not compared.
    AnyKey,
    /// Half of a key is not compared.
    HalfKey,
    /// Before the claim, the key is the one that stands there.
    KeyBeforeClaim,
    /// A wrong key is not counted.
    WrongKeysUncounted,
    /// The kernel is served before the hypervisor is there.
    ServedUnclaimed,
    /// The role is given to each who claims it.
    ClaimedTwice,
    /// A guest owns pages where nobody guards the tables.
    UnguardedGuests,
    /// Pages are given back whoever has them.
    AnyOwnerGives,
    /// The kernel may go on to map what is not shared any more.
    UnshareKeepsAccess,
    /// A page moves whatever maps it.
    MovedThoughPinned,
    /// A page moves though its block is mapped as one.
    BlockPinIgnored,
    /// Where a page is in the way, those before it move.
    PartlyMoved,
    /// Where a page is in the way, those before it stay marked.
    StillMarked,
    /// A page is mapped whoever has it.
    ForeignMapped,
    /// A block is mapped as one though a page of it is another's.
    ClosedBlockMapped,
    /// A block counts one page less than the kernel may not use.
    BlockOpenedEarly,
    /// A page is pinned after the entry that maps it is written.
    PinnedLate,
    /// A page is unpinned before the SMMU has forgotten it.
    UnpinnedEarly,
    /// What a table mapped is unpinned before the SMMU has forgotten it.
    TableUnpinnedEarly,
    /// A page stays pinned for which there was no entry.
    PinsKept,
    /// What a table mapped stays pinned when the table goes.
    TablePinsKept,
    /// Blocks of 1 GiB that cannot be pinned to the last one stay pinned.
    GigabyteHalfPinned,
    /// A domain that is freed leaves its pages pinned.
    FreeKeepsPins,
    /// Pins are counted beyond what there is room for.
    PinsWrap,
    /// An SMMU that is rebuilt translates before its tables and registers are written and verified.
    RebuildOpensEarly,
    /// Registers that somebody else has written are not compared.
    TamperUnseen,
    /// Interrupts are served for ever, whether the host asks or not.
    StormUnbounded,
    /// Interrupts are switched on again without a look at what came before.
    RearmedBlind,
    /// Interrupts stay on though a look left records, for which there is none.
    RecordsLeft,
    /// An interrupt that comes while the host asks is forgotten.
    DueForgotten,
    /// Interrupts that come as fast as they are served are forgotten.
    OverrunForgotten,
    /// All faults are told to the host.
    SharedFaults,
    /// Leaves of stage 1 are for all ASIDs.
    GlobalLeaves,
    /// A context descriptor is written after the entry that leads to it is valid.
    ContextLate,
    /// A client's stage 1 is all that translates.
    Stage2Bypassed,
    /// What both stages come to is forgotten by addresses of stage 2.
    NestedByAddress,
    /// Pages that are lent stay the hypervisor's in their accounts.
    LentStaysHyp,
    /// What was lent for one holder's tables is handed out to any.
    LentToAnybody,
    /// What was lent is given back while tables stand there.
    ReclaimedInUse,
    /// What the kernel loses stays in the identity domain.
    IdentityKeeps,
    /// A page is mapped for a guest whichever guest has it.
    AnyGuestsPage,
    /// A guest's page goes back to the kernel whatever the guest has mapped.
    OwnPinsIgnored,
}

#[cfg(feature = "seeded-bugs")]
mod chosen {
    use super::Bug;
    #[cfg(not(all(test, feature = "interleavings")))]
    mod place {
        use core::sync::atomic::{AtomicU8, Ordering::Relaxed};

        static CHOSEN: AtomicU8 = AtomicU8::new(0);

        pub(super) fn set(bug: u8) {
            CHOSEN.store(bug, Relaxed);
        }

        #[inline(always)]
        pub(super) fn get() -> u8 {
            CHOSEN.load(Relaxed)
        }
    }

    /// Tests of interleavings are each a thread, and run beside others that have no bug, or another.
    #[cfg(all(test, feature = "interleavings"))]
    mod place {
        std::thread_local! {
            static CHOSEN: core::cell::Cell<u8> = const { core::cell::Cell::new(0) };
        }

        pub(super) fn set(bug: u8) {
            CHOSEN.set(bug);
        }

        pub(super) fn get() -> u8 {
            CHOSEN.get()
        }
    }

    /// Seeds a bug from here on, or none.
    pub fn choose(bug: Option<Bug>) {
        place::set(bug.map_or(0, |bug| bug as u8));
    }

    /// Tells whether a bug is there.
    #[inline(always)]
    #[must_use]
    pub fn seeded(bug: Bug) -> bool {
        place::get() == bug as u8
    }

    impl Bug {
        /// All of them.
        pub const ALL: [Self; 82] = {
            use Bug::*;
            [
                NoInvalidation,
                NoSync,
                NoWait,
                NoConfigurationInvalidation,
                ValidFirst,
                NoForgettingBetween,
                LiveEntry,
                VmidUsedAgain,
                PoolMapped,
                QuotaOffByOne,
                QuotaKept,
                AnyGeneration,
                SameGeneration,
                TableFreedEarly,
                WalkCachesKept,
                SettledEarly,
                LeavingIsHole,
                LiveSplit,
                AtsOn,
                AtsUnchecked,
                GateOpen,
                CachesKeptAtStart,
                NoBarrier,
                MapNotPublished,
                AnyHolder,
                NeighbourStream,
                FreedInUse,
                AnySmmu,
                ShortRange,
                WrongLevel,
                WrongVmid,
                WritableAlways,
                OldPage,
                MisalignedBlock,
                LostTable,
                OwnershipOffByOne,
                PagesKept,
                NoBudget,
                UncheckedSum,
                MixtureForgotten,
                AnyKey,
                HalfKey,
                KeyBeforeClaim,
                WrongKeysUncounted,
                ServedUnclaimed,
                ClaimedTwice,
                UnguardedGuests,
                AnyOwnerGives,
                UnshareKeepsAccess,
                MovedThoughPinned,
                BlockPinIgnored,
                PartlyMoved,
                StillMarked,
                ForeignMapped,
                ClosedBlockMapped,
                BlockOpenedEarly,
                PinnedLate,
                UnpinnedEarly,
                TableUnpinnedEarly,
                PinsKept,
                TablePinsKept,
                GigabyteHalfPinned,
                FreeKeepsPins,
                PinsWrap,
                RebuildOpensEarly,
                TamperUnseen,
                StormUnbounded,
                RearmedBlind,
                RecordsLeft,
                DueForgotten,
                OverrunForgotten,
                SharedFaults,
                GlobalLeaves,
                ContextLate,
                Stage2Bypassed,
                NestedByAddress,
                LentStaysHyp,
                LentToAnybody,
                ReclaimedInUse,
                IdentityKeeps,
                AnyGuestsPage,
                OwnPinsIgnored,
            ]
        };
    }
}

#[cfg(feature = "seeded-bugs")]
pub use chosen::{choose, seeded};

/// Tells whether a bug is there: none is.
#[cfg(not(feature = "seeded-bugs"))]
#[inline(always)]
#[must_use]
pub const fn seeded(_: Bug) -> bool {
    false
}

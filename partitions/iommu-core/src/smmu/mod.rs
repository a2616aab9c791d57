// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the service needs from an SMMU, whatever its programming interface looks like.
//!
//! A driver keeps stream tables, queues and registers to itself and comes up with every stream aborting. It decides
//! nothing: which stream may have which configuration was checked before it is called. Page tables are not its own;
//! it is told where a root stands.

mod compare;
mod contexts;
mod driver;
mod entry;
mod errors;
mod events;
#[cfg(test)]
mod fake;
#[cfg(test)]
pub(crate) mod fake_smmu;
mod gate;
pub mod hardware;
mod identification;
mod interrupts;
mod invalidate;
mod invalidated;
mod nested;
mod queue;
mod rebuild;
mod reset;
mod restore;
mod ring;
mod spec;
mod stream_table;

pub use driver::SmmuV3;
pub use errors::Statistics;
pub use hardware::{Hardware, PoolMapping};
pub use identification::Unsupported;
pub use invalidated::Invalidated;
pub use reset::{BringUpError, LEAVES_OPEN, Quiet};

use crate::table::{Format, Geometry, LeafSize, Table};
use core::fmt;
use core::ops::Range;
use ffa_abi::{FaultKind, Iova, PhysAddr, PowerHint, SmmuReport, StreamId};
use thiserror::Error;

/// Names one set of translations in an SMMU's caches: a VMID where stage 2 translates, an ASID where there is stage 1 alone
/// (IHI 0070, 3.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Vmid(pub u16);

/// What a stream's transactions meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamConfig {
    /// They are aborted. What a stream has until something else is set.
    Abort,
    /// They are aborted, and nobody is told.
    Silent,
    /// They are translated by a stage-1 table, in an SMMU without stage 2.
    Stage1(Stage1),
    /// They are translated by a stage-2 table.
    Stage2(Stage2),
    /// They are translated by a stage 1 of a client's, then by a stage-2 table.
    Nested(Nested),
}

/// A stage-1 table as a context descriptor refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage1 {
    /// The tag of its translations: an ASID.
    pub asid: Vmid,
    /// Where the root table stands: one page of the pool.
    pub root: PhysAddr,
    /// Input width and start level.
    pub geometry: Geometry,
}

/// A stage 1 of a client's in front of a stage-2 table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Nested {
    /// Where its context descriptor stands, by the addresses that stage 2 translates.
    pub context: Iova,
    /// What bounds its reach.
    pub stage2: Stage2,
}

/// A stage-2 table as a stream-table entry refers to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage2 {
    /// The tag of its translations.
    pub vmid: Vmid,
    /// Where the root table stands: one page of the pool.
    pub root: PhysAddr,
    /// Input width and start level.
    pub geometry: Geometry,
}

impl StreamConfig {
    /// Returns what has a stream translated by a table, tagged as given.
    #[must_use]
    pub fn translated(tag: Vmid, table: &Table<'_>) -> Self {
        let (root, geometry) = (table.root(), table.geometry());
        match table.format() {
            Format::Stage1 => Self::Stage1(Stage1 { asid: tag, root, geometry }),
            Format::Stage2 => Self::Stage2(Stage2 { vmid: tag, root, geometry }),
        }
    }
}

/// Addresses whose cached translations are to go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TlbRange {
    /// First address, aligned to the leaf size, or to 4 KiB where there is none.
    pub iova: Iova,
    /// Length in bytes, not zero, aligned alike.
    pub size: u64,
    /// The size of the leaves that were removed, where all had one size: a level hint, and the distance between two
    /// addresses that need a command of their own. `None` for a mixture.
    pub leaves: Option<LeafSize>,
    /// Whether table descriptors were removed too, so that walk caches must forget them.
    pub tables: bool,
}

/// What an SMMU can do, read from its identification registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SmmuFeatures {
    /// The stage that translates, and so what tables must be made of: stage 2 where there is one (IDR0.S2P).
    pub format: Format,
    /// Whether a client's stage 1 can stand in front of it (IDR0.S1P and S2P).
    pub nested: bool,
    /// Width of the addresses that it puts out, in bits (IDR5.OAS).
    pub output_bits: u8,
    /// Width of a VMID: 8 or 16 bits (IDR0.VMID16).
    pub vmid_bits: u8,
    /// Whether one command invalidates an address range (IDR3.RIL).
    pub range_invalidation: bool,
    /// How a block that is in use may become pages (IDR3.BBML).
    pub block_changes: BlockChanges,
}

/// How the size of a mapping may change while devices use it (IHI 0070, 3.21.1), each level better than those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockChanges {
    /// Level 0: not at all.
    BreakFirst,
    /// Level 1: when the block was marked as not to be cached (nT), and forgotten.
    Marked,
    /// Level 2: at any time.
    Free,
}

/// One record of the event queue (IHI 0070, 7.3), as far as a fault report tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Who tried.
    pub sid: StreamId,
    /// Where to; zero for kinds without an address.
    pub iova: Iova,
    /// Why it was stopped.
    pub kind: FaultKind,
    /// Whether the device wanted to write.
    pub write: bool,
    /// The SMMU's own event number.
    pub number: u8,
    /// Its place among all that were read from this SMMU's queue or lost there: later ones have higher places.
    pub place: u64,
}

/// How far a look at the event queue got.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Polled {
    /// Records taken from the queue.
    pub taken: usize,
    /// Whether the SMMU dropped records since the last look because its queue was full.
    pub overflow: bool,
}

/// Why an SMMU did not do what it was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SmmuError {
    /// A register or queue did not answer within its bound. The driver has told the SMMU to abort all DMA, and it
    /// answers this to every call until the SMMU is rebuilt.
    #[error("the SMMU did not answer in time")]
    Timeout,
    /// The SMMU reported an error that leaves its state unknown. It aborts all DMA, as after [`SmmuError::Timeout`].
    #[error("the SMMU reported global error {0:#x}")]
    Global(u32),
    /// Registers are not as the driver left them. It aborts all DMA, as after [`SmmuError::Timeout`].
    #[error("registers {0} are not as they were left")]
    Differed(Differences),
    /// The stream has no entry in the stream table: our own error, the policy's streams all have one.
    #[error("stream {0:?} has no entry")]
    Stream(StreamId),
}

/// Why a client's command was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NestedError {
    /// The streams have no stage 1 of a client's.
    #[error("the streams are not nested")]
    NotNested,
    /// Clients may not send it, or the SMMU does not have it.
    #[error("the command is not a client's")]
    Refused,
    /// The SMMU has failed.
    #[error(transparent)]
    Smmu(#[from] SmmuError),
}

impl SmmuError {
    /// Tells whether the SMMU has failed, so that it aborts all DMA.
    #[must_use]
    pub const fn is_failure(self) -> bool {
        match self {
            Self::Timeout | Self::Global(_) | Self::Differed(_) => true,
            Self::Stream(_) => false,
        }
    }
}

/// Registers that are not as the driver left them, as [`SmmuRegisters`](ffa_abi::SmmuRegisters) has their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Differences(pub u32);

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// How far the rebuilding of an SMMU is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rebuilt {
    /// It works: all streams are set as they were, those that were being set when it failed abort.
    Done,
    /// There is more to do. All DMA aborts.
    Again,
}

/// An SMMU does not say that its interrupts are as they were set; whether they are is unknown. Nothing else is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("IRQ_CTRL is not acknowledged")]
pub struct Unacknowledged;

/// One SMMU that was brought up and locked down.
///
/// Calls come from several cores at a time. Each returns within a bound, holds no lock on return, and never calls back
/// into the service, except `sink` of [`poll_events`](Self::poll_events).
pub trait Smmu: Sync {
    /// Returns what this SMMU can do. Does not change.
    fn features(&self) -> SmmuFeatures;

    /// Sets the configuration of `count` streams from `first` on.
    ///
    /// On return no transaction that starts uses the old one any more: entries are written, their cached copies are
    /// invalidated and the invalidation has completed. On the way a stream aborts, it is never open. Cached
    /// translations stay: they belong to the VMID.
    ///
    /// # Errors
    /// Where the SMMU has failed, now or before, all streams abort; when it is rebuilt, these still do.
    fn set_streams(&self, first: StreamId, count: u16, config: &StreamConfig) -> Result<(), SmmuError>;

    /// Makes table writes of this core visible to the SMMU's walks before any later access of this core to a device.
    fn publish(&self);

    /// Forgets cached translations of a VMID in a range, and completes: on return no transaction that used them is
    /// still under way. Table writes of this core become visible first.
    ///
    /// # Errors
    /// As [`set_streams`](Self::set_streams); the caller must then not reuse the memory that was mapped.
    fn invalidate_range(&self, vmid: Vmid, range: &TlbRange) -> Result<(), SmmuError>;

    /// As [`invalidate_range`](Self::invalidate_range), for some ranges at once: one wait for all of them.
    ///
    /// # Errors
    /// As [`invalidate_range`](Self::invalidate_range).
    fn invalidate_ranges(
        &self,
        vmid: Vmid,
        ranges: &mut dyn Iterator<Item = TlbRange>,
    ) -> Result<(), SmmuError>;

    /// Forgets all cached translations of a VMID, tables included, and completes.
    ///
    /// # Errors
    /// As [`invalidate_range`](Self::invalidate_range).
    fn invalidate_vmid(&self, vmid: Vmid) -> Result<(), SmmuError>;

    /// Does what a command of a client's asks for, of streams that are nested, and completes. Its VMID and stream ID are not
    /// looked at.
    ///
    /// # Errors
    /// [`NestedError`].
    fn invalidate_nested(&self, first: StreamId, count: u16, command: [u64; 2]) -> Result<(), NestedError>;

    /// Takes at most `budget` records from the event queue.
    fn poll_events(&self, budget: usize, sink: &mut dyn FnMut(Event)) -> Polled;

    /// Returns the places of the records that wait in the event queue: what is written from now on comes behind them.
    fn events_waiting(&self) -> Range<u64>;

    /// Looks for global errors and acknowledges those that leave the SMMU working.
    ///
    /// # Errors
    /// As [`set_streams`](Self::set_streams).
    fn check_errors(&self) -> Result<(), SmmuError>;

    /// Has the SMMU interrupt for new events and global errors, or not. It does not when it comes up. One core at a time
    /// may call this.
    ///
    /// # Errors
    /// [`Unacknowledged`].
    fn set_interrupts(&self, on: bool) -> Result<(), Unacknowledged>;

    /// Compares the SMMU's registers with what they were given. What somebody says of its power is used to count a difference
    /// as what it seems to be.
    ///
    /// # Errors
    /// [`SmmuError::Differed`], and those of an SMMU that has failed before.
    fn compare(&self, hint: PowerHint) -> Result<(), SmmuError>;

    /// Does a part of what it takes to have an SMMU that has failed work again: all that is written is what the driver keeps
    /// in secure memory, and is verified before a stream is translated. Nothing, where it works.
    ///
    /// # Errors
    /// The reason for which it was given up: it does still not do what it is told. The next call begins anew.
    fn rebuild(&self) -> Result<Rebuilt, SmmuError>;

    /// Tells whether rebuilding was tried and has failed, so that there is no use in trying again unasked.
    fn is_beyond_repair(&self) -> bool;

    /// Returns how the SMMU is.
    fn report(&self) -> SmmuReport;

    /// Returns a time in milliseconds that only grows.
    fn milliseconds(&self) -> u64;
}

impl<T: Smmu> Smmu for &T {
    fn features(&self) -> SmmuFeatures {
        (**self).features()
    }

    #[inline]
    fn set_streams(&self, first: StreamId, count: u16, config: &StreamConfig) -> Result<(), SmmuError> {
        (**self).set_streams(first, count, config)
    }

    #[inline]
    fn publish(&self) {
        (**self).publish();
    }

    #[inline]
    fn invalidate_range(&self, vmid: Vmid, range: &TlbRange) -> Result<(), SmmuError> {
        (**self).invalidate_range(vmid, range)
    }

    fn invalidate_ranges(
        &self,
        vmid: Vmid,
        ranges: &mut dyn Iterator<Item = TlbRange>,
    ) -> Result<(), SmmuError> {
        (**self).invalidate_ranges(vmid, ranges)
    }

    #[inline]
    fn invalidate_vmid(&self, vmid: Vmid) -> Result<(), SmmuError> {
        (**self).invalidate_vmid(vmid)
    }

    fn invalidate_nested(&self, first: StreamId, count: u16, command: [u64; 2]) -> Result<(), NestedError> {
        (**self).invalidate_nested(first, count, command)
    }

    fn poll_events(&self, budget: usize, sink: &mut dyn FnMut(Event)) -> Polled {
        (**self).poll_events(budget, sink)
    }

    fn events_waiting(&self) -> Range<u64> {
        (**self).events_waiting()
    }

    fn check_errors(&self) -> Result<(), SmmuError> {
        (**self).check_errors()
    }

    fn set_interrupts(&self, on: bool) -> Result<(), Unacknowledged> {
        (**self).set_interrupts(on)
    }

    fn compare(&self, hint: PowerHint) -> Result<(), SmmuError> {
        (**self).compare(hint)
    }

    fn rebuild(&self) -> Result<Rebuilt, SmmuError> {
        (**self).rebuild()
    }

    fn is_beyond_repair(&self) -> bool {
        (**self).is_beyond_repair()
    }

    fn report(&self) -> SmmuReport {
        (**self).report()
    }

    fn milliseconds(&self) -> u64 {
        (**self).milliseconds()
    }
}

#[cfg(test)]
mod tests;

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The order in which a core takes locks: one that it has stands before each that it takes. So cores that wait for each other
//! never stand in a circle. Tests of interleavings check it; `domain/lock.rs` and `smmu/driver.rs` say what follows from it.

/// A kind of lock. A core has at most one of each kind, and takes them in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// That one request about what is lent is served at a time.
    Loan,
    /// That one area is opened at a time.
    Opening,
    /// An area.
    Area,
    /// What a device is set to.
    Device,
    /// A domain.
    Slot,
    /// That pages move, and the identity domain.
    Moves,
    /// Fault reports.
    Faults,
    /// How far the rebuilding of an SMMU is.
    Rebuilding,
    /// What the streams of an SMMU are set to.
    Streams,
    /// The command queue of an SMMU.
    Commands,
    /// The event queue of an SMMU.
    Events,
    /// The lists of the pool.
    Pool,
    /// How a chunk of the pool is reached.
    Chunk,
}

#[cfg(feature = "count-contention")]
impl Rank {
    /// How many there are.
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// All of them, in their order.
    pub(crate) const ALL: [Self; 13] = [
        Self::Loan,
        Self::Opening,
        Self::Area,
        Self::Device,
        Self::Slot,
        Self::Moves,
        Self::Faults,
        Self::Rebuilding,
        Self::Streams,
        Self::Commands,
        Self::Events,
        Self::Pool,
        Self::Chunk,
    ];

    /// Returns what people call it, and whether there is one for all who use an SMMU or the pool, whatever domain they are in.
    pub(crate) const fn describe(self) -> (&'static str, bool) {
        match self {
            Self::Loan => ("loans", false),
            Self::Opening => ("opening of areas", false),
            Self::Area => ("areas", false),
            Self::Device => ("devices", false),
            Self::Slot => ("domains", false),
            Self::Moves => ("moves of pages", false),
            Self::Faults => ("fault reports", false),
            Self::Rebuilding => ("rebuilding of SMMUs", true),
            Self::Streams => ("streams of SMMUs", true),
            Self::Commands => ("command queues", true),
            Self::Events => ("event queues", true),
            Self::Pool => ("pool", true),
            Self::Chunk => ("chunks of the pool", true),
        }
    }
}

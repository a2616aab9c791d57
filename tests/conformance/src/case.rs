// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a case is: which interface it is about, where it runs, what it cites, and what is done.

use crate::availability::{Availability, availability};
use crate::endpoint::Endpoint;
use crate::exchange::{NormalWorld, PartitionEndpoint};
use crate::interface::Interface;
use crate::outcome::Outcome;
use crate::partner::Partner;
use arm_ffa::Version;

/// Which SPMC the suite runs against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spmc {
    /// spm, at S-EL2.
    Spm,
    /// TF-A's own, at EL3, with one partition at S-EL1.
    El3,
}

/// On which side of the SPMC an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum World {
    /// The non-secure physical instance: a hypervisor, or a kernel without one.
    Normal,
    /// The secure virtual instance: a partition at S-EL1.
    Secure,
    /// The secure virtual instance, by SVC: a partition at S-EL0.
    Application,
}

/// An FF-A instance with the version that is spoken there: a column of the matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Instance {
    /// Which side.
    pub world: World,
    /// The version that the endpoint has negotiated.
    pub version: Version,
}

const fn normal(minor: u16) -> Instance {
    Instance { world: World::Normal, version: Version(1, minor) }
}

const fn secure(minor: u16) -> Instance {
    Instance { world: World::Secure, version: Version(1, minor) }
}

const fn application() -> Instance {
    Instance { world: World::Application, version: Version(1, 2) }
}

impl Instance {
    /// All columns.
    pub const ALL: &[Self] =
        &[normal(2), normal(1), normal(0), secure(2), secure(1), secure(0), application()];
    /// Those where FF-A 1.2 is spoken.
    pub const LATEST: &[Self] = &[normal(2), secure(2)];
    /// The normal world, by FF-A 1.2.
    pub const NORMAL: &[Self] = &[normal(2)];
    /// The normal world, by all versions.
    pub const ALL_NORMAL: &[Self] = &[normal(2), normal(1), normal(0)];
    /// A partition at S-EL1, by FF-A 1.2.
    pub const SECURE: &[Self] = &[secure(2)];
    /// A partition at S-EL0.
    pub const APPLICATION: &[Self] = &[application()];
    /// Partitions of all versions.
    pub const ALL_SECURE: &[Self] = &[secure(2), secure(1), secure(0)];

    /// Returns the name of the column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match (self.world, self.version.1) {
            (World::Normal, 0) => "NS 1.0",
            (World::Normal, 1) => "NS 1.1",
            (World::Normal, _) => "NS 1.2",
            (World::Secure, 0) => "S-EL1 1.0",
            (World::Secure, 1) => "S-EL1 1.1",
            (World::Secure, _) => "S-EL1 1.2",
            (World::Application, _) => "S-EL0 1.2",
        }
    }

    /// Returns the partition that stands for the instance, if it is a secure one.
    #[must_use]
    pub const fn partner(self) -> Option<Partner> {
        match (self.world, self.version.1) {
            (World::Normal, _) => None,
            (World::Secure, 0) => Some(Partner::Old10),
            (World::Secure, 1) => Some(Partner::Old11),
            (World::Secure, _) => Some(Partner::PeerMp),
            (World::Application, _) => Some(Partner::Application),
        }
    }
}

/// The side of a partition in an exchange: gets what the asker passes, and returns what the asker looks at.
pub type PartitionSide = fn(&mut dyn PartitionEndpoint, [u64; 4]) -> Outcome<[u64; 4]>;

/// What is done.
#[derive(Clone, Copy)]
pub enum Run {
    /// One endpoint calls the SPMC; the same steps at each instance.
    Alone(fn(&mut dyn Endpoint) -> Outcome),
    /// As [`Run::Alone`], for a case that is made for each interface.
    Each(fn(&mut dyn Endpoint, Interface) -> Outcome),
    /// The normal world and partitions deal with each other.
    Exchange {
        /// The normal world's side.
        normal: fn(&mut dyn NormalWorld) -> Outcome,
        /// The side of whichever partition is asked.
        partition: PartitionSide,
    },
}

/// One case.
#[derive(Clone, Copy)]
pub struct Case {
    /// Stable name, unique together with the interface.
    pub name: &'static str,
    /// The row of the matrix.
    pub interface: Interface,
    /// Sections and tables: of DEN0077A, unless another document is named.
    pub cites: &'static str,
    /// The columns of the matrix where it counts: where it runs, or for an exchange the endpoint that it is about.
    pub at: &'static [Instance],
    /// How many cores it takes.
    pub cores: u64,
    /// The partitions that it takes.
    pub partners: &'static [Partner],
    /// What is done.
    pub run: Run,
}

impl Case {
    /// Makes a case of one endpoint.
    #[must_use]
    pub const fn alone(
        interface: Interface,
        name: &'static str,
        cites: &'static str,
        at: &'static [Instance],
        run: fn(&mut dyn Endpoint) -> Outcome,
    ) -> Self {
        Self { name, interface, cites, at, cores: 1, partners: &[], run: Run::Alone(run) }
    }

    /// Makes a case of the normal world and partitions.
    #[must_use]
    pub const fn exchange(
        interface: Interface,
        name: &'static str,
        cites: &'static str,
        at: &'static [Instance],
        normal: fn(&mut dyn NormalWorld) -> Outcome,
        partition: PartitionSide,
    ) -> Self {
        Self {
            name,
            interface,
            cites,
            at,
            cores: 1,
            partners: &Partner::ALL,
            run: Run::Exchange { normal, partition },
        }
    }

    /// Tells whether the case counts in a column. A case of one endpoint does at S-EL0 where it does at S-EL1, if a partition can
    /// make the same calls there.
    #[must_use]
    pub fn is_at(&self, at: Instance) -> bool {
        let alike = match self.run {
            Run::Each(_) => true,
            Run::Alone(_) => availability(self.interface, at) == Availability::Offered,
            Run::Exchange { .. } => false,
        };
        let elsewhere = at.world == World::Application && alike && self.at.contains(&secure(2));
        self.at.contains(&at) || elsewhere
    }

    /// Lets the case run only where there are as many cores.
    #[must_use]
    pub const fn with_cores(self, cores: u64) -> Self {
        Self { cores, ..self }
    }

    /// Says which partitions the case takes: by default none for one endpoint, and all for an exchange.
    #[must_use]
    pub const fn with_partners(self, partners: &'static [Partner]) -> Self {
        Self { partners, ..self }
    }
}

/// Where an exchange needs nothing special of a partition.
///
/// # Errors
/// Always: nobody is to ask.
pub fn no_side(_: &mut dyn PartitionEndpoint, arguments: [u64; 4]) -> Outcome<[u64; 4]> {
    let [a, b, c, _] = arguments;
    Err(crate::outcome::Failure::here([a, b, c]))
}

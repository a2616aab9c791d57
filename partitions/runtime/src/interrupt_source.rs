// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The ways in which a partition gets the interrupts of its devices. Which of them it is stands in the partition's manifest: a
//! call by HVC to a manager that has none is a fault, and so is an access to a GIC that stage 2 does not let through.
//!
//! By each of them an interrupt comes when the partition waits ([`Partition::interrupted`]), never in the middle of a
//! message: virtual and physical interrupts stay masked. So its handler may take every lock that a message may.
//!
//! [`Partition::interrupted`]: crate::Partition::interrupted

use core::fmt;

use sp_gic::spec::DISTRIBUTOR_BYTES;
use sp_gic::{Gic, GicError, State};
use spin::Once;
use spin::mutex::SpinMutex;

use crate::gic::Frames;
use crate::mmu::{self, MapError, World};
use crate::{BootInfo, interrupts};

/// Where a partition's interrupts come from.
pub trait InterruptSource {
    /// Lets an interrupt come, for the start, on the first vCPU. False if it is not the partition's.
    #[must_use]
    fn enable(&self, intid: u32) -> bool;

    /// Lets an interrupt not come any more, to this vCPU or to any. False if it is not the partition's.
    #[must_use]
    fn disable(&self, intid: u32) -> bool;

    /// Lets one of those that were enabled come to another vCPU than the first, too.
    fn share(&self, intid: u32);

    /// Takes note that this vCPU's core is on.
    fn core_on(&self);

    /// Takes note that this vCPU's core goes off: what comes has to go to another one.
    fn core_off(&self);

    /// Takes the next interrupt of this vCPU, if there is one.
    fn take(&self) -> Option<u32>;

    /// Ends an interrupt that was taken: only then it can come again.
    fn end(&self, intid: u32);
}

/// The calls by HVC that Hafnium and spm have. The manager sees by itself which cores are on.
#[derive(Clone, Copy, Debug)]
pub struct Hypercalls;

impl InterruptSource for Hypercalls {
    fn enable(&self, intid: u32) -> bool {
        interrupts::enable(intid)
    }

    fn disable(&self, intid: u32) -> bool {
        interrupts::disable(intid)
    }

    fn share(&self, intid: u32) {
        // One that is not the partition's was refused on the first vCPU.
        let _ = interrupts::enable(intid);
    }

    fn core_on(&self) {}

    fn core_off(&self) {}

    fn take(&self) -> Option<u32> {
        interrupts::take()
    }

    fn end(&self, intid: u32) {
        interrupts::deactivate(intid);
    }
}

/// The GICv3 itself, whose distributor the partition reaches: under a manager that has none of its own, and tells it by
/// FFA_INTERRUPT that something is pending. Each interrupt comes to one core.
impl InterruptSource for Gic<'_, Frames> {
    fn enable(&self, intid: u32) -> bool {
        self.adopt(intid)
    }

    fn disable(&self, intid: u32) -> bool {
        self.switch_off(intid)
    }

    fn share(&self, _intid: u32) {}

    fn core_on(&self) {
        Gic::core_on(self);
    }

    fn core_off(&self) {
        Gic::core_off(self);
    }

    fn take(&self) -> Option<u32> {
        Gic::take(self)
    }

    fn end(&self, intid: u32) {
        Gic::end(self, intid);
    }
}

/// No interrupts: the partition looks at its devices when it is called.
#[derive(Clone, Copy, Debug)]
pub struct Polling;

impl InterruptSource for Polling {
    fn enable(&self, _intid: u32) -> bool {
        false
    }

    fn disable(&self, _intid: u32) -> bool {
        true
    }

    fn share(&self, _intid: u32) {}

    fn core_on(&self) {}

    fn core_off(&self) {}

    fn take(&self) -> Option<u32> {
        None
    }

    fn end(&self, _intid: u32) {}
}

/// Property of the manifest's root: the way.
const SOURCE: &str = "sidguard,interrupt-source";
/// Property of the manifest's root: address of the GIC's distributor, two cells.
const DISTRIBUTOR: &str = "sidguard,gic-distributor";

/// Why there is no such way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SourceError {
    /// The property is missing, or no word that is known.
    Word,
    /// The property for the GIC is missing, or no address.
    Distributor,
    /// The GIC cannot be mapped.
    Map(MapError),
    /// The GIC has none for a partition.
    Gic(GicError),
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Word => write!(f, "manifest: {SOURCE} is none of \"hafnium\", \"gic\", \"poll\""),
            Self::Distributor => write!(f, "manifest: {DISTRIBUTOR} is no address"),
            Self::Map(error) => write!(f, "{DISTRIBUTOR} cannot be mapped: {error}"),
            Self::Gic(error) => write!(f, "GIC: {error}"),
        }
    }
}

static GIC: Once<Gic<'_, Frames>> = Once::new();
static GIC_STATE: SpinMutex<State> = SpinMutex::new(State::NEW);
static HYPERCALLS: Hypercalls = Hypercalls;
static POLLING: Polling = Polling;

/// Returns the way that the manifest names, ready for use. On the first vCPU, before there are others.
///
/// # Errors
/// [`SourceError`]: the manifest and what it was made for do not agree.
pub fn interrupt_source(boot: &BootInfo) -> Result<&'static (dyn InterruptSource + Sync), SourceError> {
    match boot.property(SOURCE) {
        Some(b"hafnium\0") => Ok(&HYPERCALLS),
        Some(b"gic\0") => {
            let address = boot.property(DISTRIBUTOR).and_then(|bytes| bytes.try_into().ok());
            let address = u64::from_be_bytes(address.ok_or(SourceError::Distributor)?);
            let frame =
                mmu::map_device(address, DISTRIBUTOR_BYTES, World::Secure).map_err(SourceError::Map)?;
            Ok(GIC.try_call_once(|| Gic::open(Frames::new(frame), &GIC_STATE)).map_err(SourceError::Gic)?)
        }
        Some(b"poll\0") => Ok(&POLLING),
        _ => Err(SourceError::Word),
    }
}

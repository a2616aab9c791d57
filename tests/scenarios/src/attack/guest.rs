// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Witnesses: pages that are not the host's, and who tells what became of them.
#![expect(unsafe_code, reason = "reads and writes what is hidden")]

use crate::{
    ensure,
    scenario::Failure,
    world::{PAGE, World},
};
use ffa_abi::{PhysAddr, Status};
use nwd::{
    guarded,
    hypercall::{self, Call, Refusal, call},
    ram::Ram,
};

/// A page of a guest's or of the hypervisor's, filled with what only its owner knows.
#[derive(Debug)]
pub(super) struct Witness {
    address: u64,
    seed: u64,
    returns: bool,
}

impl Witness {
    /// Makes a page of the host's the guest's, which fills it.
    pub(super) fn guest(world: &mut World, page: &Ram) -> Result<Self, Failure> {
        Self::try_guest(world, page)?
    }

    /// As [`Witness::guest`], and tells a page that does not move from all else that may go wrong.
    pub(super) fn try_guest(world: &mut World, page: &Ram) -> Result<Result<Self, Failure>, Refusal> {
        let address = page.address().0;
        call(Call::Give, address, 0)?;
        Ok(Self::fill(world, address, true))
    }

    /// Lets the owner fill it anew.
    pub(super) fn refill(&mut self, world: &mut World) -> Result<(), Failure> {
        self.seed = world.random.word();
        call(Call::Fill, self.address, self.seed)?;
        Ok(())
    }

    /// Returns the page of the hypervisor's own.
    pub(super) fn hypervisor(world: &mut World) -> Result<Self, Failure> {
        let address = call(Call::Target, 0, 0)?;
        Self::fill(world, address, false)
    }

    fn fill(world: &mut World, address: u64, returns: bool) -> Result<Self, Failure> {
        let seed = world.random.word();
        let filled = call(Call::Fill, address, seed)?;
        ensure!(filled == PAGE, "{filled} bytes were filled");
        Ok(Self { address, seed, returns })
    }

    /// Returns where it is.
    pub(super) const fn address(&self) -> PhysAddr {
        PhysAddr(self.address)
    }

    /// Returns how many bytes of it are not as its owner left them.
    pub(super) fn differing(&self) -> Result<u64, Failure> {
        Ok(call(Call::Differing, self.address, self.seed)?)
    }

    /// Requires that the host's own cores do not reach it.
    pub(super) fn unreachable(&self, what: &str) -> Result<(), Failure> {
        // SAFETY: reading RAM changes nothing.
        let read = unsafe { guarded::read32(self.address) };
        ensure!(read.is_err_and(|fault| fault.is_external_abort()), "{what} reads {read:x?}");
        // SAFETY: it is no memory of this program's.
        let written = unsafe { guarded::write32(self.address, 0) };
        ensure!(written.is_err_and(|fault| fault.is_external_abort()), "{what} writes {written:x?}");
        self.unharmed(what)
    }

    /// Requires that nothing came through.
    pub(super) fn unharmed(&self, what: &str) -> Result<(), Failure> {
        let differing = self.differing()?;
        ensure!(differing == 0, "{what}: {differing} bytes of a page that is not the host's were written");
        Ok(())
    }
}

impl Drop for Witness {
    /// A guest's page becomes the host's again, however its attack went: others need it.
    fn drop(&mut self) {
        if self.returns {
            // Where it cannot, the attack that uses it next says so.
            let _ = call(Call::TakeBack, self.address, 0);
        }
    }
}

/// Requires that the hypervisor refused because the service did, with this status and for this page.
pub(super) fn refused_by_service(
    what: &str,
    result: Result<u64, Refusal>,
    status: Status,
    page: &Ram,
) -> Result<(), Failure> {
    let wanted = Refusal {
        reason: hypercall::SERVICE,
        status: u64::from(u32::from(status)),
        address: page.address().0,
    };
    match result {
        Err(refusal) if refusal == wanted => Ok(()),
        Err(refusal) => Err(Failure::new(format_args!("{what}: {refusal}, not {status:?}"))),
        Ok(_) => Err(Failure::new(format_args!("{what}: done, not {status:?}"))),
    }
}

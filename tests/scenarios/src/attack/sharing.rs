// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that is not the host's, handed to the secure world as if it were: the SPMC and partitions write where they are told.
//! The witness here is not a device but they.

use super::guest::Witness;
use crate::{
    bench::test_sp,
    ensure,
    firmware::{
        command,
        memory::{NON_SECURE_RAM, WRITE, ask, with_buffers},
    },
    platform,
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::World,
};
use arm_ffa::{FfaError, FuncId};
use ffa_abi::HOST_SERVICE;
use nwd::{
    ffa::{self, CallError},
    hypercall::{Call, NOT_THE_HOSTS, Refusal, call},
    memory::{READ_WRITE, reclaim, send},
    ram::Ram,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "buffers",
        claim: "A guest's page as the buffer that the SPMC writes to",
        expected: "map buffers in a guest's, the hypervisor's and the pool's pages; let partitions be listed there",
        audience: Test,
        cores: 1,
        run: buffers,
    },
    Scenario {
        name: "shared-with-a-partition",
        claim: "A guest's page shared with a partition, or lent",
        expected: "share and lend pages of a guest, the hypervisor, the pool, an SMMU; let the partition write there",
        audience: Test,
        cores: 1,
        run: shared,
    },
    Scenario {
        name: "handles",
        claim: "FF-A handles reused, and memory reclaimed or given away while a partition has it",
        expected: "reclaim, give to a guest while borrowed; reclaim twice; retrieve by the old handle",
        audience: Test,
        cores: 1,
        run: handles,
    },
];

/// Lets the partition for tests take what a handle names, write to its first word, and give it back. Returns where it was.
pub(super) fn borrow(to: u16, handle: u64) -> Result<u64, Failure> {
    let [_, first, ..] = ask(to, [command::RETRIEVE, handle, 0, 0, 0])?;
    let written = ask(to, [command::READ, first, WRITE, NON_SECURE_RAM, 0]);
    ask(to, [command::RELINQUISH, handle, 0, 0, 0])?;
    written?;
    Ok(first)
}

/// Shares a page; what is taken, the partition writes to.
pub(super) fn tried(to: u16, transmit: &Ram, function: FuncId, page: u64) -> Result<bool, Failure> {
    match send(transmit, function, &[(to, READ_WRITE)], &[(page, 1)]) {
        Ok(handle) => {
            let written = borrow(to, handle);
            reclaim(handle)?;
            written.map(|_| true)
        }
        Err(CallError::Ffa(FfaError::InvalidParameters | FfaError::Denied)) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

fn buffers(world: &mut World) -> Outcome {
    let guest = Witness::guest(world, &world.page(30))?;
    let target = Witness::hypervisor(world)?;
    let own = world.page(31);
    let mut refusals = 0;
    for page in [guest.address().0, target.address().0, platform::POOL.0, platform::SMMU_FRAME.0] {
        for (receive, transmit) in [(page, own.address().0), (own.address().0, page)] {
            match map_buffers(receive, transmit) {
                Ok(()) => {
                    // The list is written to the receive buffer.
                    let listed = list();
                    let _ = ffa::rx_release();
                    ffa::rxtx_unmap()?;
                    guest.unharmed("as a buffer")?;
                    target.unharmed("as a buffer")?;
                    return Err(Failure::new(format_args!("{page:#x} can be a buffer: {listed:x?}")));
                }
                Err(CallError::Ffa(FfaError::InvalidParameters | FfaError::Denied)) => refusals += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
    let mut found = 0;
    with_buffers(world, |receive, _| {
        ffa::partitions(receive, HOST_SERVICE, |_| found += 1)?;
        Ok(ffa::rx_release()?)
    })?;
    ensure!(found == 1, "{found} partitions in the host's own buffer");
    guest.unharmed("refused")?;
    seen!("the hypervisor takes only the host's own pages: {refusals} pairs refused; its own buffers work")
}

fn map_buffers(receive: u64, transmit: u64) -> Result<(), CallError> {
    let mut call = [0; 18];
    (call[0], call[1], call[2], call[3]) = (u64::from(u32::from(FuncId::RxTxMap64)), transmit, receive, 1);
    let [answer, _, status, ..] = ffa::registers(call);
    succeeded(answer, status)
}

fn list() -> Result<(), CallError> {
    let mut call = [0; 18];
    call[0] = u64::from(u32::from(FuncId::PartitionInfoGet));
    let [answer, _, status, ..] = ffa::registers(call);
    succeeded(answer, status)
}

fn succeeded(answer: u64, status: u64) -> Result<(), CallError> {
    let answered = |function: FuncId| answer & 0xffff_ffff == u64::from(u32::from(function));
    if answered(FuncId::Success32) || answered(FuncId::Success64) {
        return Ok(());
    }
    let status = u32::try_from(status & 0xffff_ffff).unwrap_or_default().cast_signed();
    match FfaError::try_from(status) {
        Ok(error) if answered(FuncId::Error32) => Err(CallError::Ffa(error)),
        _ => Err(CallError::Unexpected(answer)),
    }
}

fn shared(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let guest = Witness::guest(world, &world.page(30))?;
    let target = Witness::hypervisor(world)?;
    let own = world.page(31);
    let places = [guest.address().0, target.address().0, platform::POOL.0, platform::SMMU_FRAME.0];
    let (mut refusals, mut taken) = (0, 0);
    with_buffers(world, |_, transmit| {
        for function in [FuncId::MemShare32, FuncId::MemLend32] {
            for page in places {
                if tried(to, transmit, function, page)? {
                    guest.unharmed("shared with a partition")?;
                    target.unharmed("shared with a partition")?;
                    taken += 1;
                }
                refusals += 1;
            }
            own.write(0, &[0; 8]);
            ensure!(tried(to, transmit, function, own.address().0)?, "the host's own page is refused");
            ensure!(own.word(0) == own.address().0, "the partition wrote {:#x}", own.word(0));
        }
        Ok(())
    })?;
    ensure!(taken == 0, "{taken} pages were taken");
    guest.unharmed("refused")?;
    seen!(
        "the hypervisor sends only the host's own pages: {refusals} refused; the host's own: written by the partition"
    )
}

fn handles(world: &mut World) -> Outcome {
    let (to, page) = (test_sp(world)?, world.page(32));
    let at = page.address().0;
    with_buffers(world, |_, transmit| {
        let old = send(transmit, FuncId::MemShare32, &[(to, READ_WRITE)], &[(at, 1)])?;
        ask(to, [command::RETRIEVE, old, 0, 0, 0])?;
        let early = reclaim(old);
        ensure!(early == Err(CallError::Ffa(FfaError::Denied)), "reclaimed while borrowed: {early:?}");
        let given = call(Call::Give, at, 0);
        let kept = matches!(given, Err(Refusal { reason: NOT_THE_HOSTS, .. }));
        if given.is_ok() {
            call(Call::TakeBack, at, 0)?;
        }
        ensure!(kept, "given to a guest while borrowed: {given:?}");
        ask(to, [command::RELINQUISH, old, 0, 0, 0])?;
        reclaim(old)?;
        let twice = reclaim(old);
        ensure!(twice == Err(CallError::Ffa(FfaError::InvalidParameters)), "reclaimed twice: {twice:?}");
        let new = send(transmit, FuncId::MemShare32, &[(to, READ_WRITE)], &[(at, 1)])?;
        ensure!(new != old, "the handle is used again");
        let [stale, ..] = ffa::direct(to, [command::RETRIEVE, old, 0, 0, 0])?;
        ensure!(stale != 0, "retrieved by the old handle");
        ensure!(borrow(to, new)? == at, "the new handle names another page");
        Ok(reclaim(new)?)
    })?;
    let guest = Witness::guest(world, &page)?;
    guest.unharmed("given once it was reclaimed")?;
    seen!(
        "spm: DENIED while borrowed, handles are not used again; the hypervisor: not to a guest meanwhile; then it is"
    )
}

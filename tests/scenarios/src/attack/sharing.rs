// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that is not the host's, handed to the secure world as if it were: the SPMC and partitions write where they are told.
//! The witness here is not a device but they.

#![expect(unsafe_code, reason = "a core writes to the descriptor that another one sends")]

use super::guest::Witness;
use crate::{
    bench::test_sp,
    dma::others::{memory, repeat, with_others},
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
use core::sync::atomic::{AtomicU64, Ordering};
use ffa_abi::HOST_SERVICE;
use nwd::{
    Region,
    ffa::{self, CallError},
    hypercall::{Call, NOT_THE_HOSTS, Refusal, call},
    memory::{READ_WRITE, describe, handle, reclaim, send, send_call},
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
    Scenario {
        name: "descriptor-offsets",
        claim: "Descriptors whose offsets, counts and lengths lead elsewhere",
        expected: "each field of a right one made wrong, fourteen ways; the right one after each",
        audience: Test,
        cores: 1,
        run: offsets,
    },
    Scenario {
        name: "descriptor-changed",
        claim: "A descriptor changed while it is read",
        expected: "share 300 times, while other cores let the descriptor name a guest's page in turn; let the partition write",
        audience: Test,
        cores: 4,
        run: changed,
    },
];

/// Lets the partition for tests take what a handle names, write to its first word, and give it back. Returns where it was.
fn borrow(to: u16, handle: u64) -> Result<u64, Failure> {
    let [_, first, ..] = ask(to, [command::RETRIEVE, handle, 0, 0, 0])?;
    let written = ask(to, [command::READ, first, WRITE, NON_SECURE_RAM, 0]);
    ask(to, [command::RELINQUISH, handle, 0, 0, 0])?;
    written?;
    Ok(first)
}

/// Shares a page; what is taken, the partition writes to.
fn tried(to: u16, transmit: &Ram, function: FuncId, page: u64) -> Result<bool, Failure> {
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

fn offsets(world: &mut World) -> Outcome {
    /// Words of a descriptor with one receiver and one range (DEN 0140, tables 1.20, 1.16, 1.13 and 1.14), by their offset,
    /// and what is to stand there.
    const WRONG: [(&str, u64, u64); 14] = [
        ("another sender", 0, 0x8002),
        ("receivers of no size", 24, 1 << 32),
        ("no receiver", 24, 32),
        ("receivers without end", 24, 32 | 0xffff_ffff << 32),
        ("receivers behind the end", 32, 0x1000),
        ("receivers at the last number", 32, 0xffff_fff0),
        ("a composite behind the end", 48, 0x8002 | 2 << 16 | 0x1000 << 32),
        ("a composite at an odd place", 48, 0x8002 | 2 << 16 | 0x51 << 32),
        ("a composite at the last number", 48, 0x8002 | 2 << 16 | 0xffff_fff0 << 32),
        ("more ranges than there are", 80, 1 | 2 << 32),
        ("ranges without end", 80, 1 | 0xffff_ffff << 32),
        ("no pages", 104, 0),
        ("pages without end", 104, 0xffff_ffff),
        ("an address that wraps", 96, 0xffff_ffff_ffff_f000),
    ];
    let (to, page) = (test_sp(world)?, world.page(33));
    let guest = Witness::guest(world, &world.page(34))?;
    let receivers = [(to, READ_WRITE)];
    with_buffers(world, |_, transmit| {
        for (what, at, word) in WRONG {
            let length = describe(transmit, &receivers, [(page.address().0, 1)].into_iter());
            transmit.write(at, &word.to_le_bytes());
            let sent = handle(&ffa::registers(send_call(FuncId::MemShare32, length)));
            if let Ok(handle) = sent {
                reclaim(handle)?;
            }
            ensure!(matches!(sent, Err(CallError::Ffa(_))), "{what}: {sent:x?}");
            ensure!(tried(to, transmit, FuncId::MemShare32, page.address().0)?, "a right one after {what}");
        }
        for length in [0, 8, 47, 111, 4097, 0xffff_ffff] {
            describe(transmit, &receivers, [(page.address().0, 1)].into_iter());
            let sent = handle(&ffa::registers(send_call(FuncId::MemShare32, length)));
            ensure!(matches!(sent, Err(CallError::Ffa(_))), "length {length}: {sent:x?}");
        }
        Ok(())
    })?;
    guest.unharmed("none of them")?;
    seen!(
        "each refused before a page is looked up, {} and six lengths; a right one after each: written",
        WRONG.len()
    )
}

/// The word that other cores change, and what it is in turn.
static WORD: AtomicU64 = AtomicU64::new(0);
static GUESTS: AtomicU64 = AtomicU64::new(0);

fn changed(world: &mut World) -> Outcome {
    const TIMES: u32 = 300;
    /// Where the first range's address stands.
    const ADDRESS: u64 = 96;
    let (to, page) = (test_sp(world)?, world.page(33));
    let guest = Witness::guest(world, &world.page(34))?;
    let (receive, transmit) = (world.page(100), world.page(101));
    WORD.store(transmit.address().0 + ADDRESS, Ordering::SeqCst);
    GUESTS.store(guest.address().0, Ordering::SeqCst);
    let (mut taken, mut refused) = (0, 0);
    let length = describe(&transmit, &[(to, READ_WRITE)], [(page.address().0, 1)].into_iter());
    ffa::rxtx_map(&receive, &transmit)?;
    let rounds = with_others(world, page.address(), flip, |_| {
        for _ in 0..TIMES {
            match handle(&ffa::registers(send_call(FuncId::MemShare32, length))) {
                Ok(handle) => {
                    let first = borrow(to, handle);
                    reclaim(handle)?;
                    guest.unharmed("named for a moment")?;
                    ensure!(first? == page.address().0, "another page was shared");
                    taken += 1;
                }
                Err(CallError::Ffa(FfaError::InvalidParameters | FfaError::Denied)) => refused += 1,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    });
    ffa::rxtx_unmap()?;
    let rounds = rounds?;
    ensure!(taken > 0 && refused > 0, "{taken} taken, {refused} refused: the change was never in time");
    seen!(
        "the hypervisor sends its own copy: {taken} times the host's page, {refused} refused; changes {rounds:?}"
    )
}

/// On another core: lets the descriptor name a guest's page, and the host's again.
fn flip(core: usize) {
    let region = Region { base: WORD.load(Ordering::SeqCst), size: 8 };
    let (own, guests) = (memory(), GUESTS.load(Ordering::SeqCst));
    // SAFETY: the word stands in a page of scratch memory, which holds nothing that the compiler knows of.
    let word = unsafe { Ram::new(region) };
    repeat(core, |_, _| {
        word.write(0, &guests.to_le_bytes());
        word.write(0, &own.to_le_bytes());
        Ok(())
    });
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors of memory that lead elsewhere, or change.
#![expect(unsafe_code, reason = "a core writes to the descriptor that another one sends")]

use super::{
    guest::Witness,
    sharing::{borrow, tried},
};
use crate::{
    bench::test_sp,
    dma::others::{memory, repeat, with_others},
    ensure,
    firmware::memory::with_buffers,
    scenario::{Audience::Test, Outcome, Scenario},
    seen,
    world::World,
};
use arm_ffa::{FfaError, FuncId};
use core::sync::atomic::{AtomicU64, Ordering};
use nwd::{
    Region,
    ffa::{self, CallError},
    memory::{READ_WRITE, describe, handle, reclaim, send_call},
    ram::Ram,
};

pub(super) const SCENARIOS: &[Scenario] = &[
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

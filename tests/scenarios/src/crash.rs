// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Makes spm fail on the first core, by itself or with a partition, then lets the second one call it: neither may come back. What
//! is said here is judged by the tool that started the run, since a core that spm stops says nothing any more.

use core::sync::atomic::{AtomicBool, Ordering};

use arm_ffa::FuncId;
use nwd::{cores, counter, ffa, log};

use crate::firmware::command;
use crate::world::World;

/// An FFA_FEATURES for this makes spm fail, if it was compiled with `broken-panic`.
const NO_FEATURE: u64 = 0xbad;
/// Flag of the mailbox: a partition aborts, whose manifest has spm fail with it.
const WITH_PARTITION: u64 = 1;
/// A third of a second: longer than spm takes to say why it failed.
const PAUSES_PER_SECOND: u64 = 3;

/// The second core runs, and spm has answered it.
static READY: AtomicBool = AtomicBool::new(false);
/// The first core makes spm fail.
static FAILING: AtomicBool = AtomicBool::new(false);

/// Calls spm, which answers as long as it has not failed.
fn call() {
    _ = ffa::version(ffa::VERSION);
}

fn second(core: usize) {
    call();
    READY.store(true, Ordering::SeqCst);
    while !FAILING.load(Ordering::SeqCst) {
        core::hint::spin_loop();
    }
    let start = counter::now();
    while counter::now().wrapping_sub(start) < counter::frequency() / PAUSES_PER_SECOND {
        core::hint::spin_loop();
    }
    log!("crash: core {core} enters spm");
    // The SPMD answers FFA_VERSION by itself; this one is spm's.
    fail(core, 0);
}

fn fail(core: usize, feature: u64) {
    let mut arguments = [0; 18];
    arguments[0] = u64::from(FuncId::Features as u32);
    arguments[1] = feature;
    let [answer, ..] = ffa::registers(arguments);
    log!("crash: core {core} goes on with {answer:#x}");
}

pub(crate) fn run(world: &World) {
    if let Err(error) = cores::run(world.machine.cores(), 1, second) {
        log!("crash: no second core: {error}");
        return;
    }
    while !READY.load(Ordering::SeqCst) {
        core::hint::spin_loop();
    }
    log!("crash: core 0 makes spm fail");
    FAILING.store(true, Ordering::SeqCst);
    match world.test_sp {
        Some(partition) if world.mailbox.flags & WITH_PARTITION != 0 => {
            let answer = ffa::direct(partition, [command::UNDEFINED, 0, 0, 0, 0]);
            log!("crash: core 0 goes on with {answer:x?}");
        }
        _ => fail(0, NO_FEATURE),
    }
}

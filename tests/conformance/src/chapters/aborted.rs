// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The aborted state and what follows it, as a partition's `abort-action` has it (DEN0077A 1.3, 7.2.1, 7.2.4, table 7.2): it is
//! stopped, destroyed, or starts again. Those that do not come back are last of all cases.

use crate::case::{Case, Instance};
use crate::endpoint::{Endpoint, PAGE, call, call_id, ids, map_buffers};
use crate::exchange::{NormalWorld, PartitionEndpoint, ask, begin};
use crate::interface::Interface;
use crate::outcome::{Failure, Outcome, ensure, same};
use crate::partner::Partner;
use crate::suite::number_of;
use arm_ffa::FfaError::{Aborted, Busy, InvalidParameters};
use arm_ffa::FuncId;
use core::sync::atomic::{AtomicU64, Ordering};

pub(super) const RESTARTS: &[Case] = &[
    Case::exchange(
        Interface::Abort,
        "starts-again",
        "13.14; 7.2.4; 7.4.4; table 7.2",
        Instance::SECURE,
        start_again,
        leave_traces,
    ),
    Case::exchange(
        Interface::Abort,
        "callers-are-told",
        "13.14; 15.2",
        Instance::SECURE,
        tell_callers,
        call_who_aborts,
    ),
    Case::exchange(
        Interface::Abort,
        "all-contexts-start-again",
        "7.2.4; 7.4.4; table 7.2",
        Instance::SECURE,
        abort_on_one_core,
        work_without_end,
    )
    .with_cores(2),
];

pub(super) const LAST: &[Case] = &[
    Case::exchange(
        Interface::Abort,
        "destroyed",
        "7.2.1 rules 66 and 67; table 7.2",
        Instance::SECURE,
        ask_and_destroy,
        abort_when_asked,
    ),
    Case::exchange(
        Interface::Error,
        "partition-fails",
        "7.2.4; 12.2; 15.2",
        Instance::LATEST,
        ask_and_lose,
        fail,
    ),
];

/// Ways to abort.
const ABORT_64: u64 = 0;
const ABORT_32: u64 = 1;
const ERROR: u64 = 2;
/// In the place of a way: what is to be done else.
const LEAVE_TRACES: u64 = 3;
const LOOK_FOR_TRACES: u64 = 4;
const WORK: u64 = 5;

/// Aborts, and does not come back.
fn abort(endpoint: &mut dyn PartitionEndpoint, way: u64) -> Outcome<[u64; 4]> {
    const ANY: u64 = 0x5a;
    let answer = match way {
        ABORT_64 => call_id(endpoint, 0xc400_0090, &[0, ANY]),
        ABORT_32 => call_id(endpoint, 0x8400_0090, &[0, ANY]),
        ERROR => endpoint.fail(),
        _ => return Err(Failure::here([way, 0, 0])),
    };
    Err(Failure::here([way, answer.x(0), answer.x(2)]))
}

/// It is there again when its caller is told, and nothing is left of its last life.
fn start_again(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for way in [ABORT_64, ABORT_32, ERROR] {
        ask(normal.endpoint(), Partner::PeerUp, number, [LEAVE_TRACES, 0, 0, 0])?;
        begin(normal.endpoint(), Partner::PeerUp, number, [way, 0, 0, 0]).error(Aborted)?;
        ask(normal.endpoint(), Partner::PeerUp, number, [LOOK_FOR_TRACES, 0, 0, 0])?;
    }
    Ok(())
}

/// Offset in its pages of a word that nothing else writes.
const TRACE: u64 = 3 * PAGE;
const WORD: u64 = 0x7ace_7ace_7ace_7ace;

fn leave_traces(endpoint: &mut dyn PartitionEndpoint, [what, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    let mut bytes = [0; 8];
    match what {
        LEAVE_TRACES => {
            map_buffers(endpoint)?;
            endpoint.write(TRACE, &WORD.to_le_bytes());
            endpoint.read(TRACE, &mut bytes);
            same(u64::from_le_bytes(bytes), WORD)?;
            let bind = [ids(0, endpoint.id()), 0, 1];
            call(endpoint, FuncId::NotificationBind, &bind).success()?;
            endpoint.set_timer(Some(u64::MAX));
        }
        LOOK_FOR_TRACES => {
            endpoint.read(TRACE, &mut bytes);
            same(u64::from_le_bytes(bytes), 0_u64)?;
            call(endpoint, FuncId::RxTxUnmap, &[]).error(InvalidParameters)?;
            // What is bound can be unbound by its sender alone.
            let bind = [ids(Partner::PeerMp.id(), endpoint.id()), 0, 1];
            call(endpoint, FuncId::NotificationBind, &bind).success()?;
            call(endpoint, FuncId::NotificationUnbind, &bind).success()?;
            let interruptions = endpoint.interruptions();
            same(interruptions.count, 0_u64)?;
        }
        way => return abort(endpoint, way),
    }
    Ok([0; 4])
}

/// A partition that called it is told, and that it is not there yet: it starts when the chain of calls is at its end.
fn tell_callers(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    for way in [ABORT_64, ABORT_32] {
        ask(normal.endpoint(), Partner::PeerMp, number, [way, 1, 0, 0])?;
        let looks = number_of(Interface::Abort, "starts-again")?;
        ask(normal.endpoint(), Partner::PeerUp, looks, [LOOK_FOR_TRACES, 0, 0, 0])?;
    }
    Ok(())
}

fn call_who_aborts(endpoint: &mut dyn PartitionEndpoint, [way, calls, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if calls == 0 {
        return abort(endpoint, way);
    }
    let number = number_of(Interface::Abort, "callers-are-told")?;
    begin(endpoint, Partner::PeerUp, number, [way, 0, 0, 0]).error(Aborted)?;
    begin(endpoint, Partner::PeerUp, number, [way, 0, 0, 0]).error(Busy)?;
    let run = call(endpoint, FuncId::Run32, &[ids(Partner::PeerUp.id(), 0)]);
    run.error(Busy).map(|()| [0; 4])
}

/// Cores that are in the partition, or about to be.
static AT_WORK: AtomicU64 = AtomicU64::new(0);
/// Calls of the counter in a while.
const WHILE: u32 = 200_000;

/// Other cores are in it and do not leave it by themselves. They are told, and then find a context that is new.
fn abort_on_one_core(normal: &mut dyn NormalWorld) -> Outcome {
    AT_WORK.store(0, Ordering::SeqCst);
    normal.with_other_cores(be_aborted, |normal| {
        let number = normal.number();
        let mut last = 0;
        // Until no other core has come for a while.
        for _ in 0..100 {
            for _ in 0..WHILE {
                core::hint::black_box(normal.now());
            }
            let now = AT_WORK.load(Ordering::SeqCst);
            if now > 0 && now == last {
                break;
            }
            last = now;
        }
        ensure(last > 0, [last, 0, 0])?;
        begin(normal.endpoint(), Partner::PeerMp, number, [ABORT_64, 0, 0, 0]).error(Aborted)?;
        serves_again(normal.endpoint(), 0)
    })
}

fn be_aborted(endpoint: &mut dyn Endpoint, core: u64) -> Outcome {
    let number = number_of(Interface::Abort, "all-contexts-start-again")?;
    AT_WORK.fetch_add(1, Ordering::SeqCst);
    begin(endpoint, Partner::PeerMp, number, [WORK, 0, 0, 0]).error(Aborted)?;
    serves_again(endpoint, core)
}

/// Until its context on this core has started, whoever calls is told that it has aborted, or that it is busy.
fn serves_again(endpoint: &mut dyn Endpoint, core: u64) -> Outcome {
    const PATIENCE: u32 = 100_000;
    let number = number_of(Interface::DirectReq, "a-context-a-core")?;
    for _ in 0..PATIENCE {
        let answer = begin(endpoint, Partner::PeerMp, number, [core, 0, 0, 0]);
        if answer.error_of(&[Aborted, Busy]).is_err() {
            answer.is(FuncId::MsgSendDirectResp64)?;
            return same(answer.x(4), !core);
        }
    }
    Err(Failure::here([core, 0, 0]))
}

fn work_without_end(endpoint: &mut dyn PartitionEndpoint, [what, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    const LONG: u64 = 1 << 31;
    if what != WORK {
        return abort(endpoint, what);
    }
    for _ in 0..LONG {
        core::hint::black_box(endpoint.now());
    }
    Err(Failure::here([what, LONG, 0]))
}

/// It is not there any more, and it is as if it had never been.
fn ask_and_destroy(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    let before = count(normal.endpoint())?;
    begin(normal.endpoint(), Partner::Doomed, number, [ABORT_64, 0, 0, 0]).error(Aborted)?;
    same(count(normal.endpoint())?, before - 1)?;
    let to = ids(0, Partner::Doomed.id());
    for request in [FuncId::MsgSendDirectReq32, FuncId::MsgSendDirectReq64, FuncId::MsgSendDirectReq64_2] {
        call(normal.endpoint(), request, &[to]).error(InvalidParameters)?;
    }
    call(normal.endpoint(), FuncId::Run32, &[ids(Partner::Doomed.id(), 0)]).error(InvalidParameters)?;
    call(normal.endpoint(), FuncId::NotificationSet, &[to, 0, 1]).error(InvalidParameters)?;
    let by_registers = call(normal.endpoint(), FuncId::PartitionInfoGetRegs, &[0, 0, 0]);
    by_registers.is(FuncId::Success64)?;
    same(by_registers.x(2) & 0xffff, u64::from(before) - 2)?;
    // Partitions are told alike.
    ask(normal.endpoint(), Partner::PeerMp, number, [ABORT_64, 1, 0, 0]).map(|_| ())
}

/// Counts the partitions, or their protocols.
fn count(endpoint: &mut dyn Endpoint) -> Outcome<u32> {
    const COUNT_ONLY: u64 = 1;
    let answer = call(endpoint, FuncId::PartitionInfoGet, &[0, 0, 0, 0, COUNT_ONLY]);
    answer.success().map(|()| answer.w(2))
}

fn abort_when_asked(endpoint: &mut dyn PartitionEndpoint, [way, asks, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if asks == 0 {
        return abort(endpoint, way);
    }
    let request = [ids(endpoint.id(), Partner::Doomed.id())];
    call(endpoint, FuncId::MsgSendDirectReq64, &request).error(InvalidParameters).map(|()| [0; 4])
}

fn ask_and_lose(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    let to = ids(0, Partner::Victim.id());
    let first = begin(normal.endpoint(), Partner::Victim, number, [0; 4]);
    first.error(Aborted)?;
    for request in [FuncId::MsgSendDirectReq32, FuncId::MsgSendDirectReq64, FuncId::MsgSendDirectReq64_2] {
        call(normal.endpoint(), request, &[to]).error(Aborted)?;
    }
    call(normal.endpoint(), FuncId::Run32, &[ids(Partner::Victim.id(), 0)]).error(Aborted)?;
    // Partitions are told alike, and go on.
    ask(normal.endpoint(), Partner::PeerMp, number, [1, 0, 0, 0]).map(|_| ())
}

fn fail(endpoint: &mut dyn PartitionEndpoint, [survivor, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if survivor == 0 {
        endpoint.fail();
    }
    let request = [ids(endpoint.id(), Partner::Victim.id())];
    call(endpoint, FuncId::MsgSendDirectReq64, &request).error(Aborted).map(|()| [0; 4])
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FF-A calls of the host, as pKVM takes them: direct messages pass as they are, whoever they say sends them; what names
//! memory is looked at and sent in the host's place; the rest is refused.

use crate::{buffers, guest, sharing, smc::relay, trap::Frame};
use arm_ffa::{FfaError, FuncId};
use nwd::{ffa, memory};

/// Registers of an answer: x0 to x17.
const ANSWER: usize = 18;

/// Answers a call.
pub(crate) fn call(frame: &mut Frame, function: u32) {
    let Ok(function) = FuncId::try_from(function) else { return refuse(frame, FfaError::NotSupported) };
    match function {
        FuncId::Version => frame.x[0] = version(frame.x[1]),
        FuncId::Features
        | FuncId::IdGet
        | FuncId::SpmIdGet
        | FuncId::Run32
        | FuncId::MsgSendDirectReq32
        | FuncId::MsgSendDirectReq64 => relay(frame),
        FuncId::RxTxMap64 => {
            let [_, transmit, receive, pages, ..] = frame.x;
            let mapped = guest::while_nothing_moves(|| {
                let free = ![transmit, receive].into_iter().any(sharing::holds);
                pages == 1 && free && buffers::map(transmit, receive)
            });
            done(frame, mapped, FfaError::InvalidParameters);
        }
        FuncId::RxTxUnmap => done(frame, buffers::unmap(), FfaError::InvalidParameters),
        // What the host reads was copied for it.
        FuncId::RxRelease => done(frame, true, FfaError::Denied),
        FuncId::PartitionInfoGet => guest::while_nothing_moves(|| partition_info(frame)),
        FuncId::MemShare32 | FuncId::MemLend32 => guest::while_nothing_moves(|| send(frame)),
        FuncId::MemReclaim => guest::while_nothing_moves(|| reclaim(frame)),
        _ => refuse(frame, FfaError::NotSupported),
    }
}

/// The hypervisor's own version was agreed on before the host ran, and is what there is (DEN 0077A, 13.2).
fn version(wanted: u64) -> u64 {
    const NOT_SUPPORTED: u64 = 0xffff_ffff;
    let ours = u64::from(u32::from(ffa::VERSION));
    if wanted >> 16 == ours >> 16 { ours } else { NOT_SUPPORTED }
}

fn partition_info(frame: &mut Frame) {
    const COUNT_ONLY: u64 = 1 << 0;
    let count_only = frame.x[5] & COUNT_ONLY != 0;
    relay(frame);
    if count_only || !succeeded(frame) {
        return;
    }
    let copied = buffers::hand_over();
    if ffa::rx_release().is_err() || copied.is_none() {
        refuse(frame, FfaError::Denied);
    }
}

/// Shares or lends, by one whole descriptor in the host's buffer.
fn send(frame: &mut Frame) {
    let [_, total, length, address, pages, ..] = frame.x;
    if total != length || address != 0 || pages != 0 {
        return refuse(frame, FfaError::InvalidParameters);
    }
    let share = buffers::take(length).and_then(|descriptor| sharing::read(&descriptor, length));
    let Some(share) = share else { return refuse(frame, FfaError::InvalidParameters) };
    let Some(place) = sharing::keep(share) else { return refuse(frame, FfaError::NoMemory) };
    relay(frame);
    let [answer @ .., _, _, _, _, _, _, _, _, _, _, _, _, _] = frame.x;
    match memory::handle(&answer) {
        Ok(handle) => sharing::name(place, handle),
        Err(_) => sharing::forget(place),
    }
}

fn reclaim(frame: &mut Frame) {
    let handle = frame.x[1] & 0xffff_ffff | frame.x[2] << 32;
    relay(frame);
    if succeeded(frame) {
        sharing::reclaimed(handle);
    }
}

fn succeeded(frame: &Frame) -> bool {
    frame.x[0] == u64::from(u32::from(FuncId::Success32))
}

fn done(frame: &mut Frame, done: bool, otherwise: FfaError) {
    if !done {
        return refuse(frame, otherwise);
    }
    frame.x.iter_mut().take(ANSWER).for_each(|register| *register = 0);
    frame.x[0] = u64::from(u32::from(FuncId::Success32));
}

fn refuse(frame: &mut Frame, error: FfaError) {
    frame.x.iter_mut().take(ANSWER).for_each(|register| *register = 0);
    frame.x[0] = u64::from(u32::from(FuncId::Error32));
    frame.x[2] = u64::from(i32::from(error).cast_unsigned());
}

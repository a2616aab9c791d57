// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FF-A calls of the host, as pKVM takes them: direct messages pass as they are, whoever they say sends them; what names
//! memory is looked at; the rest is refused.

use crate::{smc::relay, stage2, trap::Frame};
use arm_ffa::{FfaError, FuncId};
use nwd::ffa;

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
        | FuncId::PartitionInfoGet
        | FuncId::RxRelease
        | FuncId::RxTxUnmap
        | FuncId::Run32
        | FuncId::MsgSendDirectReq32
        | FuncId::MsgSendDirectReq64 => relay(frame),
        FuncId::RxTxMap64 => map_buffers(frame),
        _ => refuse(frame, FfaError::NotSupported),
    }
}

/// The hypervisor's own version was agreed on before the host ran, and is what there is (DEN 0077A, 13.2).
fn version(wanted: u64) -> u64 {
    const NOT_SUPPORTED: u64 = 0xffff_ffff;
    let ours = u64::from(u32::from(ffa::VERSION));
    if wanted >> 16 == ours >> 16 { ours } else { NOT_SUPPORTED }
}

/// The SPMC writes to one of the buffers: both must be the host's own.
fn map_buffers(frame: &mut Frame) {
    let [_, transmit, receive, pages, ..] = frame.x;
    if pages == 1 && stage2::is_hosts(transmit) && stage2::is_hosts(receive) {
        relay(frame);
    } else {
        refuse(frame, FfaError::InvalidParameters);
    }
}

fn refuse(frame: &mut Frame, error: FfaError) {
    frame.x.iter_mut().take(ANSWER).for_each(|register| *register = 0);
    frame.x[0] = u64::from(u32::from(FuncId::Error32));
    frame.x[2] = u64::from(i32::from(error).cast_unsigned());
}

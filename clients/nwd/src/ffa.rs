// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FF-A 1.2 as the normal world speaks it: calls by SMC, answers decoded (DEN0077A).
//!
//! What this module does not interpret, [`call`] and [`registers`] give as it comes.

use crate::ram::Ram;
use arm_ffa::{
    Error as DecodeError, FfaError, FuncId, Version,
    interface::Interface,
    interface_args::{
        DirectMsgArgs, Feature, RxTxAddr, SuccessArgs, SuccessArgsFeatures, SuccessArgsIdGet,
        SuccessArgsSpmIdGet,
    },
    partition_info::{
        PartitionInfo, PartitionInfoGetFlags, PartitionInfoIterator, SuccessArgsPartitionInfoGet,
    },
};
use smccc::smc64;
use thiserror::Error;
use uuid::Uuid;

/// The version that this client speaks.
pub const VERSION: Version = Version(1, 2);
/// The normal world's own ID: the hypervisor's (DEN0077A, 6.1).
pub const SELF: u16 = 0;
/// Bytes of each of the two buffers.
pub const BUFFER_SIZE: usize = 4096;

/// Why a call did not do what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CallError {
    /// The callee answered with an error.
    #[error("FFA_ERROR: {0}")]
    Ffa(FfaError),
    /// The answer cannot be decoded.
    #[error("answer cannot be decoded: {0}")]
    Decode(DecodeError),
    /// The answer is none to this call.
    #[error("unexpected answer {0:#x}")]
    Unexpected(u64),
}

/// Makes a call with x0–x17 as given, and returns x0–x17 as they came back.
#[must_use]
pub fn registers(arguments: [u64; 18]) -> [u64; 18] {
    let [function, arguments @ ..] = arguments;
    let [f0, f1, f2, f3, ..] = function.to_le_bytes();
    smc64(u32::from_le_bytes([f0, f1, f2, f3]), arguments)
}

/// Makes a call.
///
/// # Errors
/// [`CallError::Ffa`] where the answer is FFA_ERROR, [`CallError::Decode`] where it is nothing that FF-A 1.2 defines.
pub fn call(request: &Interface) -> Result<Interface, CallError> {
    let mut arguments = [0; 18];
    request.to_regs(VERSION, &mut arguments);
    let answer = registers(arguments);
    match Interface::from_regs(VERSION, &answer) {
        Ok(Interface::Error { error_code, .. }) => Err(CallError::Ffa(error_code)),
        Ok(answer) => Ok(answer),
        Err(error) => Err(CallError::Decode(error)),
    }
}

fn success(request: &Interface) -> Result<SuccessArgs, CallError> {
    match call(request)? {
        Interface::Success { args, .. } => Ok(args),
        other => Err(unexpected(&other)),
    }
}

fn unexpected(answer: &Interface) -> CallError {
    CallError::Unexpected(answer.function_id().map_or(0, |id| u64::from(u32::from(id))))
}

/// Asks for a version. Returns x0 as it came: a version, or a negative error (DEN0077A, 13.2).
#[must_use]
pub fn version(wanted: Version) -> u64 {
    let mut arguments = [0; 18];
    arguments[0] = u64::from(u32::from(FuncId::Version));
    arguments[1] = u64::from(u32::from(wanted));
    registers(arguments)[0]
}

/// Asks whether a function is there, and for its properties.
///
/// # Errors
/// NOT_SUPPORTED where it is not there.
pub fn features(function: FuncId) -> Result<[u32; 2], CallError> {
    let request = Interface::Features { feat_id: Feature::FuncId(function), input_properties: 0 };
    let properties = SuccessArgsFeatures::try_from(success(&request)?).map_err(CallError::Decode)?;
    Ok(properties.properties)
}

/// Asks for the caller's own ID.
///
/// # Errors
/// What the callee answers.
pub fn id_get() -> Result<u16, CallError> {
    Ok(SuccessArgsIdGet::try_from(success(&Interface::IdGet)?).map_err(CallError::Decode)?.id)
}

/// Asks for the SPMC's ID.
///
/// # Errors
/// What the callee answers.
pub fn spm_id_get() -> Result<u16, CallError> {
    Ok(SuccessArgsSpmIdGet::try_from(success(&Interface::SpmIdGet)?).map_err(CallError::Decode)?.id)
}

/// Gives the SPMC one page to write and one to read.
///
/// # Errors
/// What the callee answers.
pub fn rxtx_map(receive: &Ram, transmit: &Ram) -> Result<(), CallError> {
    let addr = RxTxAddr::Addr64 { rx: receive.address().0, tx: transmit.address().0 };
    success(&Interface::RxTxMap { addr, page_cnt: 1 }).map(|_| ())
}

/// Takes both pages back.
///
/// # Errors
/// What the callee answers.
pub fn rxtx_unmap() -> Result<(), CallError> {
    success(&Interface::RxTxUnmap { id: SELF }).map(|_| ())
}

/// Gives the receive page back to the SPMC.
///
/// # Errors
/// What the callee answers.
pub fn rx_release() -> Result<(), CallError> {
    success(&Interface::RxRelease { vm_id: SELF }).map(|_| ())
}

/// Finds the partitions that offer a service, in the receive page; all of them for the nil UUID. Calls `each` for them
/// and returns how many there are. The receive page is the caller's until [`rx_release`].
///
/// # Errors
/// What the callee answers, or what is wrong with the descriptors.
pub fn partitions(
    receive: &Ram,
    service: Uuid,
    mut each: impl FnMut(&PartitionInfo),
) -> Result<usize, CallError> {
    let flags = PartitionInfoGetFlags { count_only: false };
    let answer = success(&Interface::PartitionInfoGet { uuid: service, flags })?;
    let answer = SuccessArgsPartitionInfoGet::try_from((flags, answer)).map_err(CallError::Decode)?;
    let count = usize::try_from(answer.count).unwrap_or(usize::MAX);
    let mut bytes = [0; BUFFER_SIZE];
    receive.read(0, &mut bytes);
    let infos = PartitionInfoIterator::new(VERSION, &bytes, count).map_err(descriptor)?;
    for info in infos {
        each(&info.map_err(descriptor)?);
    }
    Ok(count)
}

const fn descriptor(error: arm_ffa::partition_info::Error) -> CallError {
    CallError::Decode(DecodeError::PartitionInfoError(error))
}

/// Sends a direct request of 64-bit registers, x3–x7, and returns those of the answer.
///
/// # Errors
/// What the callee answers instead.
pub fn direct(to: u16, message: [u64; 5]) -> Result<[u64; 5], CallError> {
    direct_as(SELF, to, message)
}

/// As [`direct`], and says that another endpoint sends it.
///
/// # Errors
/// What the callee answers instead.
pub fn direct_as(from: u16, to: u16, [x3, x4, x5, x6, x7]: [u64; 5]) -> Result<[u64; 5], CallError> {
    // The other ten, x8–x17, are no part of the message.
    let args = DirectMsgArgs::Args64([x3, x4, x5, x6, x7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    match call(&Interface::MsgSendDirectReq { src_id: from, dst_id: to, args })? {
        Interface::MsgSendDirectResp { src_id, dst_id, args: DirectMsgArgs::Args64(args) }
            if (src_id, dst_id) == (to, from) =>
        {
            let [x3, x4, x5, x6, x7, ..] = args;
            Ok([x3, x4, x5, x6, x7])
        }
        other => Err(unexpected(&other)),
    }
}

/// Sends FFA_MSG_SEND_DIRECT_REQ2 to the service whose UUID stands in x2–x3, with x4–x17, and returns those of the answer.
///
/// # Errors
/// What the callee answers instead.
pub fn direct2(to: u16, service: [u64; 2], message: [u64; 14]) -> Result<[u64; 14], CallError> {
    let ids = |from: u16, to: u16| u64::from(from) << 16 | u64::from(to);
    let mut call = [0; 18];
    let [function, parties, x2, x3, body @ ..] = &mut call;
    (*function, *parties) = (u64::from(u32::from(FuncId::MsgSendDirectReq64_2)), ids(SELF, to));
    ([*x2, *x3], *body) = (service, message);
    let [function, parties, x2, x3, body @ ..] = registers(call);
    let right = function == u64::from(u32::from(FuncId::MsgSendDirectResp64_2)) && parties == ids(to, SELF);
    if right && x2 | x3 == 0 {
        return Ok(body);
    }
    let refused = function == u64::from(u32::from(FuncId::Error32));
    let [s0, s1, s2, s3, ..] = x2.to_le_bytes();
    match FfaError::try_from(i32::from_le_bytes([s0, s1, s2, s3])) {
        Ok(error) if refused => Err(CallError::Ffa(error)),
        _ => Err(CallError::Unexpected(function)),
    }
}

/// Sends a direct request of 32-bit registers, w3–w7, and returns those of the answer.
///
/// # Errors
/// What the callee answers instead.
pub fn direct32(to: u16, arguments: [u32; 5]) -> Result<[u32; 5], CallError> {
    let args = DirectMsgArgs::Args32(arguments);
    match call(&Interface::MsgSendDirectReq { src_id: SELF, dst_id: to, args })? {
        Interface::MsgSendDirectResp { src_id, dst_id: SELF, args: DirectMsgArgs::Args32(args) }
            if src_id == to =>
        {
            Ok(args)
        }
        other => Err(unexpected(&other)),
    }
}

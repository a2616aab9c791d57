// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FF-A calls to the partition manager, by SMC. The message loop, which has to be fast, is in [`crate::message`].

use core::fmt;

use arm_ffa::interface_args::{
    SecondaryEpRegisterAddr, SuccessArgs, SuccessArgsIdGet, VersionFlags, VersionQueryType,
};
use arm_ffa::{FfaError, FuncId, Interface, Version, VersionOut};

/// The FF-A version that this runtime speaks.
pub(crate) const VERSION: Version = Version(1, 2);

/// A partition or VM that takes part in FF-A, by its 16-bit ID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EndpointId(pub u16);

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#06x}", self.0)
    }
}

/// Why a call did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The partition manager refused.
    Refused(FfaError),
    /// It answered with something that is no answer to this call: the partition manager is to blame.
    Unexpected(u32),
    /// It speaks an older FF-A than 1.2.
    Version(Version),
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "refused: {error}"),
            Self::Unexpected(word) => write!(f, "unexpected answer {word:#010x}"),
            Self::Version(version) => write!(f, "FF-A {version} is too old"),
        }
    }
}

/// Makes any call with x0 = `function` and x1 to x7 = `arguments`, and returns x0 to x7.
///
/// No call that shares or changes this partition's memory may be made by it; `arguments` of such calls would let the
/// other side write where Rust does not expect it.
#[must_use]
pub fn call(function: u64, arguments: [u64; 7]) -> [u64; 8] {
    let mut registers = [0; 8];
    let [a1, a2, a3, a4, a5, a6, a7] = arguments;
    let padded = [a1, a2, a3, a4, a5, a6, a7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    #[expect(clippy::cast_possible_truncation, reason = "SMCCC 1.4 §2.6: the function ID is in w0")]
    let answer = smccc::smc64(function as u32, padded);
    for (to, from) in registers.iter_mut().zip(answer) {
        *to = from;
    }
    registers
}

/// Makes a call of which the answer does not matter.
pub(crate) fn smc(function: FuncId, arguments: [u64; 7]) {
    let _ = call(u64::from(u32::from(function)), arguments);
}

/// Encodes a status as it stands in w2 of FFA_ERROR.
pub(crate) fn status_bits(error: FfaError) -> u64 {
    u64::from(i32::from(error).cast_unsigned())
}

/// Negotiates the version: has to be the first call.
pub(crate) fn negotiate_version() -> Result<(), CallError> {
    let flags = VersionFlags { query_type: VersionQueryType::Negotiate };
    let answer = send(Interface::Version { input_version: VERSION, flags });
    #[expect(clippy::cast_possible_truncation, reason = "FFA_VERSION answers in w0")]
    let word = answer[0] as u32;
    match VersionOut::try_from(word) {
        Ok(VersionOut::Version(version)) if version.0 == VERSION.0 && version.1 >= VERSION.1 => Ok(()),
        Ok(VersionOut::Version(version)) => Err(CallError::Version(version)),
        _ => Err(CallError::Unexpected(word)),
    }
}

/// Asks for this partition's ID.
pub(crate) fn id() -> Result<EndpointId, CallError> {
    let args = succeed(Interface::IdGet)?;
    SuccessArgsIdGet::try_from(args)
        .map(|args| EndpointId(args.id))
        .map_err(|_| CallError::Unexpected(u32::from(FuncId::Success32)))
}

/// Registers where the other vCPUs begin.
pub(crate) fn register_secondary_entry(address: u64) -> Result<(), CallError> {
    let entrypoint = SecondaryEpRegisterAddr::Addr64(address);
    succeed(Interface::SecondaryEpRegister { entrypoint }).map(|_| ())
}

/// Sends `request` and returns the registers of the answer.
pub(crate) fn send(request: Interface) -> [u64; 18] {
    let mut registers = [0; 18];
    request.to_regs(VERSION, &mut registers);
    let [function, arguments @ ..] = registers;
    #[expect(clippy::cast_possible_truncation, reason = "SMCCC 1.4 §2.6: the function ID is in w0")]
    smccc::smc64(function as u32, arguments)
}

fn succeed(request: Interface) -> Result<SuccessArgs, CallError> {
    let answer = send(request);
    match Interface::from_regs(VERSION, &answer) {
        Ok(Interface::Success { args, .. }) => Ok(args),
        Ok(Interface::Error { error_code, .. }) => Err(CallError::Refused(error_code)),
        #[expect(clippy::cast_possible_truncation, reason = "the function ID is in w0")]
        _ => Err(CallError::Unexpected(answer[0] as u32)),
    }
}

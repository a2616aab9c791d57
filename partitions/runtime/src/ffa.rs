// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FF-A calls to the partition manager, by SMC. The message loop, which has to be fast, is in [`crate::message`].
//!
//! Of `arm-ffa` the words and numbers are used. Its `Interface` would cost each partition 20 KiB for the text of
//! assertions that cannot fail here, so the few registers of the four calls are filled in by hand.
#![expect(unsafe_code, reason = "a call that may be anything is for the caller to judge")]

use core::fmt;

use arm_ffa::interface_args::ConsoleLogChars64;
use arm_ffa::{FfaError, FuncId, Version};

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

/// Makes the call `function` with x1 to x17 = `arguments`, and returns x0 to x17.
///
/// # Safety
/// The call must not let the partition manager write, share or unmap memory that Rust uses.
pub unsafe fn call(function: u32, arguments: [u64; 17]) -> [u64; 18] {
    smccc::smc64(function, arguments)
}

/// Negotiates the version (FF-A 1.2 §13.2): has to be the first call.
pub(crate) fn negotiate_version() -> Result<(), CallError> {
    let [answer, ..] = send(FuncId::Version, [u64::from(u32::from(VERSION))]);
    let word = low(answer);
    match Version::try_from(word) {
        Ok(version) if version.0 == VERSION.0 && version.1 >= VERSION.1 => Ok(()),
        Ok(version) => Err(CallError::Version(version)),
        Err(_) => Err(CallError::Unexpected(word)),
    }
}

/// Asks for this partition's ID (FF-A 1.2 §13.9).
pub(crate) fn id() -> Result<EndpointId, CallError> {
    let answer = succeed(FuncId::IdGet, [])?;
    let [_, _, w2, ..] = answer;
    match u16::try_from(low(w2)) {
        Ok(id) => Ok(EndpointId(id)),
        Err(_) => Err(CallError::Unexpected(low(w2))),
    }
}

/// Registers where the other vCPUs begin (FF-A 1.2 §18.2.2).
pub(crate) fn register_secondary_entry(address: u64) -> Result<(), CallError> {
    succeed(FuncId::SecondaryEpRegister64, [address]).map(|_| ())
}

/// Characters that each partition manager takes by FFA_CONSOLE_LOG: TF-A 2.12's SPMC at EL3 reads them from x2 to x7 only.
const SHORT_LOG: usize = 6 * 8;

/// Prints `text` (FF-A 1.2 §13.13), in pieces if the partition manager takes no more. One without a console refuses; there is
/// nobody to tell.
pub(crate) fn console_log(text: &ConsoleLogChars64) {
    let bytes = text.bytes();
    let refused = CallError::Refused(FfaError::InvalidParameters);
    if log_piece(bytes) == Err(refused) && bytes.len() > SHORT_LOG {
        for piece in bytes.chunks(SHORT_LOG) {
            let _ = log_piece(piece);
        }
    }
}

fn log_piece(text: &[u8]) -> Result<(), CallError> {
    let mut arguments = [0; 17];
    let [length, words @ ..] = &mut arguments;
    *length = text.len() as u64;
    for (word, bytes) in words.iter_mut().zip(text.chunks(8)) {
        let mut padded = [0; 8];
        padded.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        *word = u64::from_le_bytes(padded);
    }
    succeed(FuncId::ConsoleLog64, arguments).map(|_| ())
}

/// Encodes a status as it stands in w2 of FFA_ERROR.
pub(crate) fn status_bits(error: FfaError) -> u64 {
    u64::from(i32::from(error).cast_unsigned())
}

/// Calls `function` with x1 and further = `arguments`, and has it succeed.
pub(crate) fn succeed<const N: usize>(function: FuncId, arguments: [u64; N]) -> Result<[u64; 18], CallError> {
    const SUCCESS_32: u32 = FuncId::Success32 as u32;
    const SUCCESS_64: u32 = FuncId::Success64 as u32;
    let answer = send(function, arguments);
    let [function, _, status, ..] = answer;
    match low(function) {
        SUCCESS_32 | SUCCESS_64 => Ok(answer),
        function => Err(refusal(function, low(status))),
    }
}

/// Tells from w0 and w2 of an answer why it is not the one that was hoped for.
pub(crate) fn refusal(function: u32, status: u32) -> CallError {
    const ERROR: u32 = FuncId::Error32 as u32;
    match (function, FfaError::try_from(status.cast_signed())) {
        (ERROR, Ok(error)) => CallError::Refused(error),
        (word, _) => CallError::Unexpected(word),
    }
}

/// Calls `function` with x1 and further = `arguments` and all else 0.
pub(crate) fn send<const N: usize>(function: FuncId, arguments: [u64; N]) -> [u64; 18] {
    let mut padded = [0; 17];
    padded.iter_mut().zip(arguments).for_each(|(to, from)| *to = from);
    smccc::smc64(function.into(), padded)
}

/// Returns the half of a register in which a 32-bit parameter stands.
#[expect(clippy::cast_possible_truncation, reason = "drops the upper half on purpose")]
pub(crate) const fn low(register: u64) -> u32 {
    register as u32
}

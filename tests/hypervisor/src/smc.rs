// SPDX-License-Identifier: Apache-2.0 OR MIT
//! SMC calls of the host: power is looked after here, FF-A by [`crate::ffa`], what is not known is refused.

use crate::{ffa, host, platform, trap::Frame};
use nwd::cores;
use smccc::{psci, smc64};
use spin::mutex::SpinMutex;

/// SMCCC_VERSION and SMCCC_ARCH_FEATURES (SMCCC, DEN 0028, 7.2 and 7.3).
const ARCHITECTURE: [u32; 2] = [0x8000_0000, 0x8000_0001];
/// SMCCC's answer to what is not known, and PSCI's to what is not there.
pub(crate) const NOT_SUPPORTED: u64 = u64::MAX;
/// FF-A's ranges of function numbers (DEN 0077A, 2.2).
const FFA32: core::ops::RangeInclusive<u32> = 0x8400_0060..=0x8400_00ef;
const FFA64: core::ops::RangeInclusive<u32> = 0xc400_0060..=0xc400_00ef;

/// Where each core is to enter the host, and with what in x0.
static ENTRIES: [SpinMutex<Option<(u64, u64)>>; platform::MPIDRS.len()] =
    [const { SpinMutex::new(None) }; platform::MPIDRS.len()];

/// Answers a call.
pub(crate) fn call(frame: &mut Frame) {
    // The upper half is no part of a function number (SMCCC, 2.5).
    let [f0, f1, f2, f3, ..] = frame.x[0].to_le_bytes();
    let function = u32::from_le_bytes([f0, f1, f2, f3]);
    match function {
        psci::PSCI_FEATURES if !is_offered(frame.x[1]) => frame.x[0] = NOT_SUPPORTED,
        psci::PSCI_CPU_ON_64 => frame.x[0] = switch_on(frame.x[1], frame.x[2], frame.x[3]),
        psci::PSCI_VERSION
        | psci::PSCI_CPU_OFF
        | psci::PSCI_AFFINITY_INFO_64
        | psci::PSCI_FEATURES
        | psci::PSCI_SYSTEM_OFF => relay(frame),
        function if ARCHITECTURE.contains(&function) => relay(frame),
        function if FFA32.contains(&function) || FFA64.contains(&function) => ffa::call(frame, function),
        _ => frame.x[0] = NOT_SUPPORTED,
    }
}

/// Tells whether the host may ask for the features of a function: what it may call, and SMCCC's version.
fn is_offered(function: u64) -> bool {
    const OFFERED: [u32; 7] = [
        psci::PSCI_VERSION,
        psci::PSCI_CPU_OFF,
        psci::PSCI_CPU_ON_64,
        psci::PSCI_AFFINITY_INFO_64,
        psci::PSCI_FEATURES,
        psci::PSCI_SYSTEM_OFF,
        ARCHITECTURE[0],
    ];
    u32::try_from(function).is_ok_and(|function| OFFERED.contains(&function))
}

/// Makes the host's call in its place: x0–x17 go and come as they are.
pub(crate) fn relay(frame: &mut Frame) {
    let [function, arguments @ .., _, _, _, _, _, _, _, _, _, _, _, _, _] = frame.x;
    let [f0, f1, f2, f3, ..] = function.to_le_bytes();
    let answer = smc64(u32::from_le_bytes([f0, f1, f2, f3]), arguments);
    for (register, value) in frame.x.iter_mut().zip(answer) {
        *register = value;
    }
}

/// Switches a core on: it comes up here, and goes to EL1 behind stage 2 before it does anything for the host.
fn switch_on(affinity: u64, entry: u64, context: u64) -> u64 {
    const INVALID_PARAMETERS: i64 = -2;
    const INTERNAL_FAILURE: i64 = -6;
    let Some(core) = platform::MPIDRS.iter().position(|mpidr| *mpidr == affinity) else {
        return INVALID_PARAMETERS.cast_unsigned();
    };
    let Some(slot) = ENTRIES.get(core) else { return INVALID_PARAMETERS.cast_unsigned() };
    *slot.lock() = Some((entry, context));
    match cores::run(&platform::MPIDRS, core, enter) {
        Ok(()) => 0,
        Err(cores::CoreError::Psci(error)) => i64::from(error).cast_unsigned(),
        Err(_) => INTERNAL_FAILURE.cast_unsigned(),
    }
}

/// On the core that was switched on.
fn enter(core: usize) {
    let place = ENTRIES.get(core).and_then(|slot| slot.lock().take());
    if let Some((entry, context)) = place {
        host::enter(entry, context);
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_SECONDARY_EP_REGISTER: where the vCPUs of a partition start on all cores but the first (FF-A 1.2 §18.2.1).

use arm_ffa::FfaError;
use arm_ffa::interface_args::SecondaryEpRegisterAddr;

use crate::partition::Partition;

/// Instructions start at multiples of this, in bytes.
const INSTRUCTION_BYTES: u64 = 4;

/// Registers the entry point.
///
/// # Errors
/// `NotSupported` for a partition with one vCPU, `InvalidParameters` for an address outside of its own memory.
pub fn register(partition: &Partition, address: SecondaryEpRegisterAddr) -> Result<(), FfaError> {
    if partition.contexts() == 1 {
        return Err(FfaError::NotSupported);
    }
    let entry = match address {
        SecondaryEpRegisterAddr::Addr32(entry) => u64::from(entry),
        SecondaryEpRegisterAddr::Addr64(entry) => entry,
    };
    if !partition.memory().contains_address(entry) || !entry.is_multiple_of(INSTRUCTION_BYTES) {
        return Err(FfaError::InvalidParameters);
    }
    partition.set_secondary_entry(entry);
    Ok(())
}

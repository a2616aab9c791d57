// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_SECONDARY_EP_REGISTER: where the vCPUs of a partition start on all cores but the first (FF-A 1.2 §18.2.1).

use arm_ffa::FfaError;

use crate::partition::Partition;

/// Instructions start at multiples of this, in bytes.
const INSTRUCTION_BYTES: u64 = 4;

/// Registers `entry`, an address.
///
/// # Errors
/// `NotSupported` for a partition with one vCPU, `InvalidParameters` for an address outside of its own memory.
pub fn register(partition: &Partition, entry: u64) -> Result<(), FfaError> {
    if partition.contexts() == 1 {
        return Err(FfaError::NotSupported);
    }
    if !partition.memory().contains_address(entry) || !entry.is_multiple_of(INSTRUCTION_BYTES) {
        return Err(FfaError::InvalidParameters);
    }
    partition.set_secondary_entry(entry);
    Ok(())
}

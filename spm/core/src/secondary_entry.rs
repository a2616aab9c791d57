// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_SECONDARY_EP_REGISTER: where the vCPUs of a partition start on all cores but the first (FF-A 1.2 §18.2.1).

use arm_ffa::FfaError;

use crate::partition::Partition;
use crate::vcpu::Vcpu;
use crate::work::Work;

/// Instructions start at multiples of this, in bytes.
const INSTRUCTION_BYTES: u64 = 4;

/// Registers `entry`, an address, for `vcpu`, which runs.
///
/// # Errors
/// `NotSupported` for a partition with one vCPU; `Denied` when its first vCPU has started, and so for all others (FF-A 1.3
/// §18.2.2.1.1); `InvalidParameters` for an address outside of its own memory.
pub fn register(partition: &Partition, vcpu: &Vcpu, entry: u64) -> Result<(), FfaError> {
    if partition.contexts() == 1 {
        return Err(FfaError::NotSupported);
    }
    if vcpu.work() != Work::Start || partition.life().has_started() {
        return Err(FfaError::Denied);
    }
    if !partition.memory().contains_address(entry) || !entry.is_multiple_of(INSTRUCTION_BYTES) {
        return Err(FfaError::InvalidParameters);
    }
    partition.set_secondary_entry(entry);
    Ok(())
}

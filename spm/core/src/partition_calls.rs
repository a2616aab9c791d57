// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Calls of partitions: takes each to the function that serves it, and says how the core goes on.
//!
//! What the normal world calls, and the state that both share, is in [`crate::spmc`].

use core::sync::atomic::Ordering;

use arm_ffa::{FfaError, Version};

use crate::common_calls::{Party, answer_features, answer_version, check_offered};
use crate::console_log::Characters;
use crate::cycles::{Resume, Runner, check_yield, claim_for_run, wait};
use crate::direct_message::{
    VcpuRef, check_partition_sender, claim_receiver, close_request, is_response, request_kind,
};
use crate::function::{self, REQUEST_32, REQUEST_64, REQUEST2, RESPONSE2};
use crate::hardware::Hardware;
use crate::mailbox::MailboxOwner;
use crate::partition::{CoreIndex, Partition};
use crate::registers::{MessageRegisters, error, function_id, is_ffa, low_half, success, unknown_function};
use crate::secondary_entry;
use crate::spmc::Spmc;
use crate::vcpu::Vcpu;
use crate::work::{Requester, Work};

/// How a core goes on after a call of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionNext {
    /// The registers hold the answer.
    Answer,
    /// The registers hold a direct request to another partition, whose vCPU is claimed for it.
    Request(VcpuRef, u32),
    /// Another partition's vCPU, which worked for this one, is claimed to go on.
    Run(VcpuRef, Resume),
    /// The registers hold the response to the request that the vCPU worked on.
    Response(u32),
    /// The partition waits for messages.
    Wait,
    /// The partition gives the core back before it is done.
    Yield,
    /// The partition says that it cannot go on, by FFA_ABORT with this value of its own, or by FFA_ERROR.
    Failed(Option<u64>),
}

impl Spmc {
    /// Serves a call of vCPU `vcpu` of `partition`.
    #[inline(always)]
    pub fn from_partition(
        &self,
        from: VcpuRef,
        registers: &mut MessageRegisters,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) -> PartitionNext {
        let Some(partition) = self.partitions().get(from.partition) else {
            error(registers, FfaError::Denied);
            return PartitionNext::Answer;
        };
        let Some(vcpu) = partition.vcpu(from.vcpu) else {
            error(registers, FfaError::Denied);
            return PartitionNext::Answer;
        };
        self.from_running(from, (partition, vcpu), registers, core, hardware)
    }

    /// As [`Spmc::from_partition`], for who has both at hand.
    #[inline(always)]
    pub fn from_running(
        &self,
        from: VcpuRef,
        (partition, vcpu): (&Partition, &Vcpu),
        registers: &mut MessageRegisters,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) -> PartitionNext {
        let function = function_id(registers);
        // Of all responses, only this one is newer than FF-A 1.0: who does not know it is refused below.
        let known = function != RESPONSE2 || partition.version.agreed() >= Version(1, 2);
        if is_response(function) && known {
            return match close_request(partition, vcpu, registers, function) {
                Ok(()) => PartitionNext::Response(function),
                Err(status) => {
                    error(registers, status);
                    PartitionNext::Answer
                }
            };
        }
        self.other_from_partition(from, partition, registers, function, core, hardware)
    }

    #[inline(never)]
    fn other_from_partition(
        &self,
        from: VcpuRef,
        partition: &Partition,
        registers: &mut MessageRegisters,
        function: u32,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) -> PartitionNext {
        if partition.is_stopped() {
            // It has aborted on another core: this vCPU is not entered again, and nothing is served.
            return PartitionNext::Answer;
        }
        if function == function::VERSION {
            answer_version(registers, &partition.version);
            return PartitionNext::Answer;
        }
        if function == function::FEATURES {
            partition.version.settle();
            let wants_security = Some(&partition.wants_security);
            answer_features(registers, partition.caller(), &partition.version, wants_security);
            return PartitionNext::Answer;
        }
        if !is_ffa(function) {
            unknown_function(registers);
            return PartitionNext::Answer;
        }
        partition.version.settle();
        // FF-A 1.2 has FFA_ERROR for a failed start (13.10), 1.3 FFA_ABORT for later: taken alike, at any time.
        if function == function::ERROR_32 {
            return PartitionNext::Failed(None);
        }
        let Some(vcpu) = partition.vcpu(from.vcpu) else {
            error(registers, FfaError::Denied);
            return PartitionNext::Answer;
        };
        let party = Party {
            owner: MailboxOwner::Partition(from.partition),
            id: partition.id(),
            caller: partition.caller(),
            version: &partition.version,
            mailbox: &partition.mailbox,
            core,
            wants_security: partition.wants_security.load(Ordering::Relaxed),
        };
        let outcome = match (check_offered(function, &party), function) {
            (Err(status), _) => Err(status),
            (Ok(()), function::MSG_WAIT) => match wait(partition, vcpu, registers) {
                Ok(()) => return PartitionNext::Wait,
                Err(status) => Err(status),
            },
            (Ok(()), function::ABORT_64) => return PartitionNext::Failed(Some(registers[2])),
            (Ok(()), function::ABORT_32) => {
                return PartitionNext::Failed(Some(u64::from(low_half(registers[2]))));
            }
            (Ok(()), function::YIELD) => match check_yield(vcpu) {
                Ok(()) => return PartitionNext::Yield,
                Err(status) => Err(status),
            },
            (Ok(()), function::RUN) => match self.run_for(partition, from, vcpu, registers, core) {
                Ok((target, resume)) => return PartitionNext::Run(target, resume),
                Err(status) => Err(status),
            },
            (Ok(()), REQUEST_64 | REQUEST_32 | REQUEST2) => {
                match self.request_for(partition, from, vcpu, registers, core) {
                    Ok(target) => return PartitionNext::Request(target, function),
                    Err(status) => Err(status),
                }
            }
            (Ok(()), function::SECONDARY_EP_REGISTER_32) => {
                register_entry(partition, vcpu, u64::from(low_half(registers[1])), registers)
            }
            (Ok(()), function::SECONDARY_EP_REGISTER_64) => {
                register_entry(partition, vcpu, registers[1], registers)
            }
            (
                Ok(()),
                function::MEM_PERM_GET_32
                | function::MEM_PERM_GET_64
                | function::MEM_PERM_SET_32
                | function::MEM_PERM_SET_64,
            ) => self.permissions_for(partition, from, vcpu, registers, hardware),
            (Ok(()), function::CONSOLE_LOG_32 | function::CONSOLE_LOG_64) => {
                log(partition, function == function::CONSOLE_LOG_64, registers, hardware)
            }
            (Ok(()), _) => {
                let owns = |range| partition.may_hold_buffer(range);
                self.serve(function, &party, owns, registers, hardware)
            }
        };
        if let Err(status) = outcome {
            error(registers, status);
        }
        PartitionNext::Answer
    }

    /// Claims the receiver of a partition's direct request.
    fn request_for(
        &self,
        partition: &Partition,
        from: VcpuRef,
        vcpu: &Vcpu,
        registers: &MessageRegisters,
        core: CoreIndex,
    ) -> Result<VcpuRef, FfaError> {
        let kind = request_kind(function_id(registers)).ok_or(FfaError::NotSupported)?;
        check_partition_sender(partition, registers, kind)?;
        let number = u8::try_from(from.vcpu).map_err(|_| FfaError::Denied)?;
        if vcpu.work().is_framework_message() {
            return Err(FfaError::Denied);
        }
        let spmc_scheduled = vcpu.work().is_spmc_scheduled();
        let requester = Requester::Partition { vcpu: number, spmc_scheduled };
        claim_receiver(self.partitions(), registers, core, kind, requester)
    }

    /// FFA_MEM_PERM_GET and FFA_MEM_PERM_SET, which are for a partition's start alone (MM §2.8, §2.9).
    fn permissions_for(
        &self,
        partition: &Partition,
        from: VcpuRef,
        vcpu: &Vcpu,
        registers: &mut MessageRegisters,
        hardware: &impl Hardware,
    ) -> Result<(), FfaError> {
        if vcpu.work() != Work::Start {
            return Err(FfaError::Denied);
        }
        let function = function_id(registers);
        let [_, address, count, permissions, ..] = *registers;
        let is_64bit = matches!(function, function::MEM_PERM_GET_64 | function::MEM_PERM_SET_64);
        let address = if is_64bit { address } else { u64::from(low_half(address)) };
        let world = self.memory_world(hardware);
        let found = if matches!(function, function::MEM_PERM_GET_32 | function::MEM_PERM_GET_64) {
            self.memory().permissions(from.partition, address, &world)?
        } else {
            let (count, permissions) = (low_half(count), low_half(permissions));
            let buffers = partition.mailbox.buffers();
            self.memory().set_permissions(from.partition, buffers, (address, count), permissions, &world)?;
            0
        };
        success(registers, found, 0);
        Ok(())
    }

    /// Claims the vCPU that a partition wants to let go on.
    fn run_for(
        &self,
        partition: &Partition,
        from: VcpuRef,
        vcpu: &Vcpu,
        registers: &MessageRegisters,
        core: CoreIndex,
    ) -> Result<(VcpuRef, Resume), FfaError> {
        // Before FF-A 1.3 not while it starts (I0115).
        if vcpu.work() == Work::Start || vcpu.work().is_framework_message() {
            return Err(FfaError::Denied);
        }
        let runner = Runner::Partition(partition.id(), from.vcpu);
        claim_for_run(self.partitions(), registers, core, runner)
    }
}

fn register_entry(
    partition: &Partition,
    vcpu: &Vcpu,
    entry: u64,
    registers: &mut MessageRegisters,
) -> Result<(), FfaError> {
    secondary_entry::register(partition, vcpu, entry)?;
    success(registers, 0, 0);
    Ok(())
}

fn log(
    partition: &Partition,
    is_64bit: bool,
    registers: &mut MessageRegisters,
    hardware: &impl Hardware,
) -> Result<(), FfaError> {
    let characters = Characters::new(registers, is_64bit)?;
    partition.log.lock().add(characters.bytes(), |line| hardware.log(partition, line));
    success(registers, 0, 0);
    Ok(())
}

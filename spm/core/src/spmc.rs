// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SPMC: takes each FF-A call to the function that serves it, and says how the core goes on.
//!
//! Calls are changed into their answers in place. What runs a partition is not here.

use arm_ffa::FfaError;
use arm_ffa::interface_args::MsgWaitFlags;
use heapless::Vec;

use crate::common_calls::{Party, answer_features, answer_version, check_offered};
use crate::console_log::Characters;
use crate::direct_message::{
    VcpuRef, check_normal_world_sender, check_partition_sender, claim_receiver, close_request,
};
use crate::endpoint::EndpointId;
use crate::features::Caller;
use crate::function::{self, REQUEST_32, REQUEST_64, RESPONSE_32, RESPONSE_64};
use crate::hardware::Hardware;
use crate::mailbox::{Mailbox, MailboxOwner};
use crate::manifest::{AddressRange, MAX_PARTITIONS};
use crate::normal_memory::NormalMemory;
use crate::partition::{CoreIndex, Partition};
use crate::registers::{MessageRegisters, error, function_id, is_ffa, low_half, success, unknown_function};
use crate::version::Negotiation;
use crate::{framework_message, secondary_entry};

/// All partitions.
pub type Partitions = Vec<Partition, MAX_PARTITIONS>;

/// How a core goes on after a call of the normal world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormalNext {
    /// The registers hold the answer.
    Answer,
    /// The registers hold a direct request, of this function ID; the vCPU is claimed for it.
    Request(VcpuRef, u32),
    /// The SPMD reports a secure interrupt that came while the normal world ran.
    Interrupt,
}

/// How a core goes on after a call of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionNext {
    /// The registers hold the answer.
    Answer,
    /// The registers hold a direct request to another partition, whose vCPU is claimed for it.
    Request(VcpuRef, u32),
    /// The registers hold the response to the request that the vCPU worked on.
    Response(u32),
    /// The partition waits for messages.
    Wait,
    /// The partition says that it cannot go on.
    Failed,
}

/// FF-A's state, shared by all cores.
#[derive(Debug)]
pub struct Spmc {
    id: EndpointId,
    partitions: Partitions,
    normal_memory: NormalMemory,
    normal_version: Negotiation,
    normal_mailbox: Mailbox,
}

impl Spmc {
    /// Starts with the partitions that were admitted. The normal world is taken for a caller of version 1.0 until it
    /// asks for another, as the specification has it for callers that never ask.
    #[must_use]
    pub fn new(id: u16, partitions: Partitions, normal_memory: NormalMemory) -> Self {
        Self {
            id: EndpointId(id),
            partitions,
            normal_memory,
            normal_version: Negotiation::new(arm_ffa::Version(1, 0)),
            normal_mailbox: Mailbox::default(),
        }
    }

    /// Returns spm's own ID.
    #[must_use]
    pub const fn id(&self) -> EndpointId {
        self.id
    }

    /// Returns the partitions.
    #[inline(always)]
    #[must_use]
    pub fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Serves a call that the SPMD forwarded from the normal world, or a message of the SPMD itself.
    #[inline]
    pub fn from_normal_world(
        &self,
        registers: &mut MessageRegisters,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) -> NormalNext {
        let function = function_id(registers);
        if function == REQUEST_64 || function == REQUEST_32 {
            let claimed = check_normal_world_sender(registers)
                .and_then(|()| claim_receiver(&self.partitions, registers, core, function == REQUEST_64));
            match claimed {
                Ok(vcpu) => {
                    self.normal_version.settle();
                    return NormalNext::Request(vcpu, function);
                }
                Err(status) => self.refuse_request(registers, status),
            }
        } else if function == function::FEATURES {
            self.normal_version.settle();
            answer_features(registers, Caller::NormalWorld, &self.normal_version);
        } else if function == function::INTERRUPT {
            return NormalNext::Interrupt;
        } else {
            self.other_from_normal_world(registers, function, hardware);
        }
        NormalNext::Answer
    }

    /// Serves a call of vCPU `vcpu` of `partition`.
    #[inline]
    pub fn from_partition(
        &self,
        from: VcpuRef,
        registers: &mut MessageRegisters,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) -> PartitionNext {
        let Some(partition) = self.partitions.get(from.partition) else {
            error(registers, FfaError::Denied);
            return PartitionNext::Answer;
        };
        let function = function_id(registers);
        if function == RESPONSE_64 || function == RESPONSE_32 {
            return match close_request(partition, from.vcpu, registers, function == RESPONSE_64) {
                Ok(()) => PartitionNext::Response(function),
                Err(status) => {
                    error(registers, status);
                    PartitionNext::Answer
                }
            };
        }
        self.other_from_partition(from, partition, registers, function, core, hardware)
    }

    #[cold]
    fn refuse_request(&self, registers: &mut MessageRegisters, status: FfaError) {
        if framework_message::is_from_spmd(registers)
            && framework_message::respond(registers, self.id, &self.normal_version)
        {
            return;
        }
        self.normal_version.settle();
        error(registers, status);
    }

    #[inline(never)]
    fn other_from_normal_world(
        &self,
        registers: &mut MessageRegisters,
        function: u32,
        hardware: &impl Hardware,
    ) {
        let party = Party {
            owner: MailboxOwner::NormalWorld,
            id: EndpointId(0),
            caller: Caller::NormalWorld,
            version: &self.normal_version,
            mailbox: &self.normal_mailbox,
        };
        if function == function::VERSION {
            return answer_version(registers, party.version);
        }
        party.version.settle();
        let owns = |range: AddressRange| self.normal_memory.owns(range);
        let outcome = check_offered(function, &party)
            .and_then(|()| self.serve(function, &party, owns, registers, hardware));
        if let Err(status) = outcome {
            error(registers, status);
        }
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
        if function == function::VERSION {
            answer_version(registers, &partition.version);
            return PartitionNext::Answer;
        }
        if function == function::FEATURES {
            partition.version.settle();
            answer_features(registers, Caller::Partition, &partition.version);
            return PartitionNext::Answer;
        }
        if !is_ffa(function) {
            unknown_function(registers);
            return PartitionNext::Answer;
        }
        partition.version.settle();
        if function == REQUEST_64 || function == REQUEST_32 {
            let claimed = check_partition_sender(partition, registers)
                .and_then(|()| claim_receiver(&self.partitions, registers, core, function == REQUEST_64));
            return match claimed {
                Ok(vcpu) => PartitionNext::Request(vcpu, function),
                Err(status) => {
                    error(registers, status);
                    PartitionNext::Answer
                }
            };
        }
        // FF-A 1.2 has FFA_ERROR for a failed start (13.10), 1.3 FFA_ABORT for later: taken alike, at any time.
        if function == function::ERROR_32 {
            return PartitionNext::Failed;
        }
        let working = partition.vcpu(from.vcpu).is_some_and(|vcpu| vcpu.request().is_some());
        let party = Party {
            owner: MailboxOwner::Partition(from.partition),
            id: partition.id(),
            caller: Caller::Partition,
            version: &partition.version,
            mailbox: &partition.mailbox,
        };
        let outcome = match (check_offered(function, &party), function) {
            (Err(status), _) => Err(status),
            (Ok(()), function::MSG_WAIT) => match wait(partition, working, registers) {
                Ok(()) => return PartitionNext::Wait,
                Err(status) => Err(status),
            },
            (Ok(()), function::SECONDARY_EP_REGISTER_32) => {
                register_entry(partition, u64::from(low_half(registers[1])), registers)
            }
            (Ok(()), function::SECONDARY_EP_REGISTER_64) => {
                register_entry(partition, registers[1], registers)
            }
            (Ok(()), function::CONSOLE_LOG_32 | function::CONSOLE_LOG_64) => {
                log(partition, function == function::CONSOLE_LOG_64, registers, hardware)
            }
            (Ok(()), _) => {
                let owns = |range| partition.memory().contains(range);
                self.serve(function, &party, owns, registers, hardware)
            }
        };
        if let Err(status) = outcome {
            error(registers, status);
        }
        PartitionNext::Answer
    }
}

/// FFA_MSG_WAIT: gives the receive buffer back unless the partition asks to keep it.
fn wait(partition: &Partition, working: bool, registers: &MessageRegisters) -> Result<(), FfaError> {
    let flags = MsgWaitFlags::try_from(low_half(registers[2])).map_err(|_| FfaError::InvalidParameters)?;
    if working {
        return Err(FfaError::Denied);
    }
    if !flags.retain_rx_buffer {
        // Not owning it is no error here.
        _ = partition.mailbox.release();
    }
    Ok(())
}

fn register_entry(
    partition: &Partition,
    entry: u64,
    registers: &mut MessageRegisters,
) -> Result<(), FfaError> {
    secondary_entry::register(partition, entry)?;
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

#[cfg(test)]
#[path = "spmc_tests.rs"]
mod tests;

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SPMC's state, and calls of the normal world: takes each to the function that serves it, and says how the core goes on.
//!
//! Calls are changed into their answers in place. Calls of partitions are in [`crate::partition_calls`]; what runs a
//! partition is not here.

use arm_ffa::{FfaError, Version};
use heapless::Vec;

use crate::common_calls::{Party, answer_features, answer_version, check_offered};
use crate::cycles::{Resume, Runner, claim_for_run};
use crate::direct_message::{VcpuRef, check_normal_world_sender, claim_receiver, request_kind};
use crate::endpoint::EndpointId;
use crate::features::Caller;
use crate::framework_message;
use crate::function;
use crate::hardware::Hardware;
use crate::mailbox::{Mailbox, MailboxOwner};
use crate::manifest::{AddressRange, MAX_PARTITIONS};
use crate::memory::{Memory, World};
use crate::normal_memory::NormalMemory;
use crate::notification_calls::NotificationState;
use crate::partition::{CoreIndex, Partition};
use crate::registers::{MessageRegisters, error, function_id};
use crate::version::Negotiation;
use crate::vm_mailboxes::VmMailboxes;
use crate::work::{RequestKind, Requester};

/// All partitions.
pub type Partitions = Vec<Partition, MAX_PARTITIONS>;

/// How a core goes on after a call of the normal world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NormalNext {
    /// The registers hold the answer.
    Answer,
    /// The registers hold a direct request, of this function ID; the vCPU is claimed for it.
    Request(VcpuRef, u32),
    /// The vCPU is claimed to go on.
    Run(VcpuRef, Resume),
    /// The registers hold the answer, which is that a partition has aborted. It may be time to end or to start it again.
    Aborted,
    /// The SPMD says that this core goes off; its message waits for an answer.
    CoreOff,
    /// The SPMD reports a secure interrupt that came while the normal world ran.
    Interrupt,
}

/// FF-A's state, shared by all cores.
#[derive(Debug)]
pub struct Spmc {
    id: EndpointId,
    partitions: Partitions,
    normal_memory: NormalMemory,
    normal_version: Negotiation,
    normal_mailbox: Mailbox,
    vms: VmMailboxes,
    notifications: NotificationState,
    memory: &'static Memory,
}

impl Spmc {
    /// Starts with the partitions that were admitted. The normal world is taken for a caller of version 1.0 until it
    /// asks for another, as the specification has it for callers that never ask. `memory` has no transactions yet, and is
    /// this SPMC's alone.
    #[must_use]
    pub fn new(
        id: u16,
        partitions: Partitions,
        normal_memory: NormalMemory,
        memory: &'static Memory,
    ) -> Self {
        Self {
            id: EndpointId(id),
            partitions,
            normal_memory,
            normal_version: Negotiation::new(arm_ffa::Version(1, 0)),
            normal_mailbox: Mailbox::default(),
            vms: VmMailboxes::default(),
            notifications: NotificationState::default(),
            memory,
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

    /// Returns the buffers that the normal world's hypervisor, or its only kernel, has for itself.
    pub(crate) const fn normal_mailbox(&self) -> &Mailbox {
        &self.normal_mailbox
    }

    /// Returns the buffers of VMs.
    pub(crate) const fn vms(&self) -> &VmMailboxes {
        &self.vms
    }

    /// Returns what is kept of notifications for all.
    pub(crate) const fn notifications(&self) -> &NotificationState {
        &self.notifications
    }

    /// Returns the state of memory management.
    #[must_use]
    pub const fn memory(&self) -> &Memory {
        self.memory
    }

    /// Returns what memory management has to know of everybody, on this machine.
    pub fn memory_world<'a, H: Hardware>(&'a self, hardware: &'a H) -> World<'a, H> {
        World { partitions: &self.partitions, normal: &self.normal_memory, spaces: hardware }
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
        if let Some(kind) = request_kind(function) {
            let claimed =
                self.check_version(kind).and_then(|()| check_normal_world_sender(registers)).and_then(|()| {
                    claim_receiver(&self.partitions, registers, core, kind, Requester::NormalWorld)
                });
            match claimed {
                Ok(vcpu) => {
                    self.normal_version.settle();
                    return NormalNext::Request(vcpu, function);
                }
                Err(status) => return self.refuse_request(registers, status),
            }
        } else if function == function::FEATURES {
            self.normal_version.settle();
            answer_features(registers, Caller::NormalWorld, &self.normal_version, None);
        } else if function == function::INTERRUPT {
            return NormalNext::Interrupt;
        } else if function == function::RUN {
            self.normal_version.settle();
            match claim_for_run(&self.partitions, registers, core, Runner::NormalWorld) {
                Ok((vcpu, resume)) => return NormalNext::Run(vcpu, resume),
                Err(status) => return refuse(registers, status),
            }
        } else {
            self.other_from_normal_world(registers, function, core, hardware);
        }
        NormalNext::Answer
    }

    /// FFA_MSG_SEND_DIRECT_REQ2 is there for callers of the version that has it.
    #[inline(always)]
    fn check_version(&self, kind: RequestKind) -> Result<(), FfaError> {
        if kind == RequestKind::Direct2 && self.normal_version.agreed() < Version(1, 2) {
            return Err(FfaError::NotSupported);
        }
        Ok(())
    }

    #[cold]
    fn refuse_request(&self, registers: &mut MessageRegisters, status: FfaError) -> NormalNext {
        if framework_message::is_from_spmd(registers) {
            if framework_message::is_core_off(registers) {
                return NormalNext::CoreOff;
            }
            if framework_message::respond(registers, self.id, &self.normal_version) {
                return NormalNext::Answer;
            }
        }
        self.normal_version.settle();
        refuse(registers, status)
    }

    /// Answers the SPMD's message that this core goes off.
    pub fn agree_to_core_off(&self, registers: &mut MessageRegisters) {
        // A known kind, or it would not be here.
        _ = framework_message::respond(registers, self.id, &self.normal_version);
    }

    #[inline(never)]
    fn other_from_normal_world(
        &self,
        registers: &mut MessageRegisters,
        function: u32,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) {
        let party = Party {
            owner: MailboxOwner::NormalWorld,
            id: EndpointId(0),
            caller: Caller::NormalWorld,
            version: &self.normal_version,
            mailbox: &self.normal_mailbox,
            core,
            wants_security: true,
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
}

/// Refuses to run a vCPU.
fn refuse(registers: &mut MessageRegisters, status: FfaError) -> NormalNext {
    error(registers, status);
    if status == FfaError::Aborted { NormalNext::Aborted } else { NormalNext::Answer }
}

#[cfg(test)]
pub(crate) mod tests;

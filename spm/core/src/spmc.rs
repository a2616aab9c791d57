// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The SPMC: takes each FF-A call to the function that serves it, and says how the core goes on.
//!
//! Calls are changed into their answers in place. What runs a partition is not here.

use arm_ffa::interface_args::{ConsoleLogChars, MsgWaitFlags};
use arm_ffa::{FfaError, FuncId, Interface};
use heapless::Vec;

use crate::direct_message::{
    REQUEST_32, REQUEST_64, RESPONSE_32, RESPONSE_64, VcpuRef, check_normal_world_sender,
    check_partition_sender, claim_receiver, close_request,
};
use crate::discovery::{Inquiry, partition_info};
use crate::endpoint::EndpointId;
use crate::error::status_of;
use crate::features::{Caller, properties};
use crate::hardware::Hardware;
use crate::mailbox::{BufferPair, Mailbox, MailboxOwner};
use crate::manifest::{AddressRange, MAX_PARTITIONS};
use crate::normal_memory::NormalMemory;
use crate::partition::{CoreIndex, Partition};
use crate::registers::{MessageRegisters, error, function_id, low_half, success};
use crate::version::{Negotiation, OURS};
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
        } else if function == FuncId::Interrupt32.into() {
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
        if function == FuncId::Version.into() {
            return answer_version(registers, party.version);
        }
        party.version.settle();
        let owns = |range: AddressRange| self.normal_memory.owns(range);
        let outcome = decode(registers, function, &party)
            .and_then(|call| self.serve(&call, &party, owns, registers, hardware));
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
        if function == FuncId::Version.into() {
            answer_version(registers, &partition.version);
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
        if function == FuncId::Error32.into() {
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
        let outcome = match decode(registers, function, &party) {
            Ok(Interface::MsgWait { flags, .. }) => match wait(partition, working, flags) {
                Ok(()) => return PartitionNext::Wait,
                Err(status) => Err(status),
            },
            Ok(Interface::SecondaryEpRegister { entrypoint }) => {
                secondary_entry::register(partition, entrypoint).map(|()| success(registers, 0, 0))
            }
            Ok(Interface::ConsoleLog { chars }) => log(partition, &chars, registers, hardware),
            Ok(call) => {
                let owns = |range| partition.memory().contains(range);
                self.serve(&call, &party, owns, registers, hardware)
            }
            Err(status) => Err(status),
        };
        if let Err(status) = outcome {
            error(registers, status);
        }
        PartitionNext::Answer
    }

    /// Serves what the normal world and partitions may call alike.
    fn serve(
        &self,
        call: &Interface,
        party: &Party<'_>,
        owns: impl Fn(AddressRange) -> bool,
        registers: &mut MessageRegisters,
        hardware: &impl Hardware,
    ) -> Result<(), FfaError> {
        match *call {
            Interface::Features { .. } => {
                let w2 = properties(low_half(registers[1]), party.caller).ok_or(FfaError::NotSupported)?;
                success(registers, w2, 0);
            }
            Interface::IdGet => success(registers, u32::from(party.id.0), 0),
            Interface::SpmIdGet => success(registers, u32::from(self.id.0), 0),
            Interface::RxTxMap { addr, page_cnt } => {
                let buffers = BufferPair::new(addr, page_cnt, owns)?;
                party.mailbox.map(party.owner, buffers, hardware)?;
                success(registers, 0, 0);
            }
            Interface::RxTxUnmap { id } => {
                require_zero(id)?;
                party.mailbox.unmap(party.owner, hardware)?;
                success(registers, 0, 0);
            }
            Interface::RxRelease { vm_id } => {
                require_zero(vm_id)?;
                party.mailbox.release()?;
                success(registers, 0, 0);
            }
            Interface::PartitionInfoGet { uuid, flags } => {
                let inquiry =
                    Inquiry { version: party.version.agreed(), mailbox: party.mailbox, owner: party.owner };
                let found = partition_info(&self.partitions, &inquiry, uuid, flags, hardware)?;
                success(registers, found.count, found.size.unwrap_or(0));
            }
            _ => return Err(FfaError::NotSupported),
        }
        Ok(())
    }
}

/// A caller, as far as FF-A's set-up functions treat all callers alike.
struct Party<'a> {
    owner: MailboxOwner,
    id: EndpointId,
    caller: Caller,
    version: &'a Negotiation,
    mailbox: &'a Mailbox,
}

/// Decodes a call. Always as our own version, since `arm-ffa` asserts some of it; whether the function exists in the
/// version that the caller speaks is checked apart.
fn decode(registers: &mut MessageRegisters, function: u32, party: &Party<'_>) -> Result<Interface, FfaError> {
    let id = FuncId::try_from(function).map_err(|error| status_of(&error))?;
    if properties(function, party.caller).is_none() || id.minimum_ffa_version() > party.version.agreed() {
        return Err(FfaError::NotSupported);
    }
    registers[0] = u64::from(function);
    Interface::from_regs(OURS, registers).map_err(|error| status_of(&error))
}

/// FFA_VERSION answers with a bare value, without a status.
fn answer_version(registers: &mut MessageRegisters, version: &Negotiation) {
    let value = version.negotiate(low_half(registers[1]));
    crate::registers::answer(registers, [value, 0, 0, 0, 0, 0, 0, 0]);
}

/// FFA_MSG_WAIT: gives the receive buffer back unless the partition asks to keep it.
fn wait(partition: &Partition, working: bool, flags: MsgWaitFlags) -> Result<(), FfaError> {
    if working {
        return Err(FfaError::Denied);
    }
    if !flags.retain_rx_buffer {
        // Not owning it is no error here.
        _ = partition.mailbox.release();
    }
    Ok(())
}

fn log(
    partition: &Partition,
    characters: &ConsoleLogChars,
    registers: &mut MessageRegisters,
    hardware: &impl Hardware,
) -> Result<(), FfaError> {
    let bytes = match characters {
        ConsoleLogChars::Chars32(characters) => characters.bytes(),
        ConsoleLogChars::Chars64(characters) => characters.bytes(),
    };
    if bytes.is_empty() {
        return Err(FfaError::InvalidParameters);
    }
    hardware.log(partition, bytes);
    success(registers, 0, 0);
    Ok(())
}

/// The ID of a VM on whose behalf a hypervisor calls: only the caller itself has buffers.
fn require_zero(id: u16) -> Result<(), FfaError> {
    if id == 0 { Ok(()) } else { Err(FfaError::InvalidParameters) }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The functions that the normal world and partitions call alike: discovery and buffers.

use core::sync::atomic::{AtomicBool, Ordering};

use arm_ffa::interface_args::RxTxAddr;
use arm_ffa::partition_info::PartitionInfoGetFlags;
use arm_ffa::{FfaError, UuidHelper, Version};

use crate::discovery::{Inquiry, partition_info, partition_info_registers};
use crate::endpoint::{EndpointId, sender_and_receiver};
use crate::features::{Caller, SECURITY_IS_TOLD, offer};
use crate::function;
use crate::hardware::Hardware;
use crate::mailbox::{BufferPair, Mailbox, MailboxOwner};
use crate::manifest::AddressRange;
use crate::partition::CoreIndex;
use crate::registers::{MessageRegisters, answer, error, low_half, success};
use crate::seeded::{Bug, seeded};
use crate::spmc::Spmc;
use crate::version::Negotiation;

/// A caller, as far as FF-A's set-up functions treat all callers alike.
pub(crate) struct Party<'a> {
    pub(crate) owner: MailboxOwner,
    pub(crate) id: EndpointId,
    pub(crate) caller: Caller,
    pub(crate) version: &'a Negotiation,
    pub(crate) mailbox: &'a Mailbox,
    /// The core that it calls on.
    pub(crate) core: CoreIndex,
    /// In FF-A 1.0: whether it asked to be told of memory whether it is secure.
    pub(crate) wants_security: bool,
}

impl Party<'_> {
    /// Returns the VM on whose behalf a hypervisor calls; nothing if the caller means itself.
    pub(crate) fn on_behalf_of(&self, id: EndpointId) -> Result<Option<EndpointId>, FfaError> {
        match self.caller {
            _ if id == EndpointId(0) => Ok(None),
            Caller::NormalWorld if !id.is_secure() => Ok(Some(id)),
            Caller::NormalWorld | Caller::Partition { .. } => Err(FfaError::InvalidParameters),
        }
    }
}

/// Checks that a function is there for the caller, in the version that it speaks.
pub(crate) fn check_offered(function: u32, party: &Party<'_>) -> Result<(), FfaError> {
    match offer(function, party.caller) {
        Some(offer) if offer.since <= party.version.agreed() || seeded(Bug::NewerFunctions) => Ok(()),
        _ => Err(FfaError::NotSupported),
    }
}

/// FFA_FEATURES looks at the table and at nothing else, but for what came after FF-A 1.0. Only FFA_MEM_RETRIEVE_REQ has an
/// input property, w2: whether a partition understands that memory which it retrieves can be non-secure. `wants_security`
/// keeps that of a partition.
pub(crate) fn answer_features(
    registers: &mut MessageRegisters,
    caller: Caller,
    version: &Negotiation,
    wants_security: Option<&AtomicBool>,
) {
    let function = low_half(registers[1]);
    match offer(function, caller) {
        Some(offer) if offer.since == Version(1, 0) || offer.since <= version.agreed() => {
            if let (function::MEM_RETRIEVE_REQ_32 | function::MEM_RETRIEVE_REQ_64, Some(wants)) =
                (function, wants_security)
            {
                let asked = low_half(registers[2]) & SECURITY_IS_TOLD != 0;
                // Who speaks 1.1 or more understands it, and has to say so (MM table 3.1).
                if !asked && version.agreed() > Version(1, 0) {
                    return error(registers, FfaError::NotSupported);
                }
                wants.store(asked, Ordering::Relaxed);
            }
            success(registers, offer.properties, 0);
        }
        _ => error(registers, FfaError::NotSupported),
    }
}

/// FFA_VERSION answers with a bare value, without a status.
pub(crate) fn answer_version(registers: &mut MessageRegisters, version: &Negotiation) {
    let value = version.negotiate(low_half(registers[1]));
    answer(registers, [value, 0, 0, 0, 0, 0, 0, 0]);
}

impl Spmc {
    /// Serves what the normal world and partitions may call alike.
    pub(crate) fn serve(
        &self,
        function: u32,
        party: &Party<'_>,
        owns: impl Fn(AddressRange) -> bool,
        registers: &mut MessageRegisters,
        hardware: &impl Hardware,
    ) -> Result<(), FfaError> {
        let (w2, w3) = match function {
            function::ID_GET => (u32::from(party.id.0), 0),
            function::SPM_ID_GET => (u32::from(self.id().0), 0),
            function::RXTX_MAP_32 | function::RXTX_MAP_64 => {
                self.map_buffers(function, party, owns, registers, hardware)?;
                (0, 0)
            }
            function::RXTX_UNMAP => {
                let (id, _) = sender_and_receiver(registers[1]);
                match party.on_behalf_of(id)? {
                    None => party.mailbox.unmap(party.owner, hardware)?,
                    Some(vm) => self.vms().unmap(vm, hardware)?,
                }
                (0, 0)
            }
            function::RX_RELEASE => {
                let (_, id) = sender_and_receiver(registers[1]);
                match party.on_behalf_of(id)? {
                    None => party.mailbox.release()?,
                    Some(vm) => self.vms().with(vm, |mailbox, _| mailbox.release_for_vm())?,
                }
                (0, 0)
            }
            function::RX_ACQUIRE => {
                let (_, id) = sender_and_receiver(registers[1]);
                // Only buffers of VMs have two writers.
                let vm = party.on_behalf_of(id)?.ok_or(FfaError::InvalidParameters)?;
                self.vms().with(vm, |mailbox, _| mailbox.acquire())?;
                (0, 0)
            }
            function::MSG_SEND2 => {
                self.send_indirect(party, registers, hardware)?;
                (0, 0)
            }
            function::NOTIFICATION_BITMAP_CREATE
            | function::NOTIFICATION_BITMAP_DESTROY
            | function::NOTIFICATION_BIND
            | function::NOTIFICATION_UNBIND
            | function::NOTIFICATION_SET
            | function::NOTIFICATION_GET
            | function::NOTIFICATION_INFO_GET_32
            | function::NOTIFICATION_INFO_GET_64 => {
                return self.notify(function, party, registers, hardware);
            }
            function::PARTITION_INFO_GET => self.partition_info(party, registers, hardware)?,
            function::PARTITION_INFO_GET_REGS => {
                let uuid = UuidHelper::from_u64_regs([registers[1], registers[2]]);
                let [status, target, results @ ..] = registers;
                *results = partition_info_registers(self.partitions(), uuid, results[1])?;
                (*status, *target) = (u64::from(function::SUCCESS_64), 0);
                return Ok(());
            }
            _ => {
                let vms = match party.caller {
                    Caller::NormalWorld => self.vms().mailboxes(),
                    Caller::Partition { .. } => &[],
                };
                let world = self.memory_world(hardware);
                return self.memory().serve(function, party, vms, registers, hardware, world);
            }
        };
        success(registers, w2, w3);
        Ok(())
    }

    /// FFA_RXTX_MAP: the caller's own buffers, or, where a hypervisor names none, those that it describes of a VM.
    fn map_buffers(
        &self,
        function: u32,
        party: &Party<'_>,
        owns: impl Fn(AddressRange) -> bool,
        registers: &MessageRegisters,
        hardware: &impl Hardware,
    ) -> Result<(), FfaError> {
        let (tx, rx, pages) = (registers[1], registers[2], low_half(registers[3]));
        let (addresses, nothing) = if function == function::RXTX_MAP_64 {
            (RxTxAddr::Addr64 { rx, tx }, rx | tx == 0)
        } else {
            let (rx, tx) = (low_half(rx), low_half(tx));
            (RxTxAddr::Addr32 { rx, tx }, rx | tx == 0)
        };
        // Memory that is part of a transaction is nobody's alone, so spm writes no messages into it.
        self.memory().with_exclusive(party.owner.into(), &self.memory_world(hardware), |exclusive| {
            let owns = |range| owns(range) && exclusive.has(range);
            if party.caller == Caller::NormalWorld && nothing && pages == 0 {
                let map = |room| self.vms().map(party.owner, room, owns, hardware);
                return party.mailbox.with_send_buffer(map);
            }
            party.mailbox.map(party.owner, BufferPair::new(addresses, pages, owns)?, hardware)
        })
    }

    fn partition_info(
        &self,
        party: &Party<'_>,
        registers: &MessageRegisters,
        hardware: &impl Hardware,
    ) -> Result<(u32, u32), FfaError> {
        let words = [registers[1], registers[2], registers[3], registers[4]].map(low_half);
        let flags = PartitionInfoGetFlags::try_from(low_half(registers[5]))
            .map_err(|_| FfaError::InvalidParameters)?;
        let inquiry = Inquiry { version: party.version.agreed(), mailbox: party.mailbox, owner: party.owner };
        let uuid = UuidHelper::from_u32_regs(words);
        let found = partition_info(self.partitions(), &inquiry, uuid, flags, hardware)?;
        Ok((found.count, found.size.unwrap_or(0)))
    }
}

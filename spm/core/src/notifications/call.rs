// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The registers of the notification interfaces (FF-A 1.2 §16), and who may speak for whom in them. What the call then
//! does is in [`super`].

use core::num::NonZeroU16;

use arm_ffa::FfaError;

use super::doorbells::{Bitmap, Kind, Target};
use super::receiver::{Taken, Wanted};
use crate::endpoint::{EndpointId, sender_and_receiver};
use crate::function;
use crate::registers::{MessageRegisters, answer, low_half};

/// In whose name a call is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// The hypervisor or the OS kernel, for itself or for any VM: spm cannot tell them apart.
    NormalWorld,
    /// A partition, for itself alone.
    Partition(EndpointId),
}

impl Speaker {
    /// Tells whether it may speak for `endpoint`.
    fn speaks_for(self, endpoint: EndpointId) -> bool {
        match self {
            Self::NormalWorld => !endpoint.is_secure(),
            Self::Partition(own) => own == endpoint,
        }
    }

    /// Tells whether notifications between an endpoint that it speaks for and `other` are kept by spm: those among VMs
    /// are their hypervisor's.
    fn may_deal_with(self, other: EndpointId) -> bool {
        match self {
            Self::NormalWorld => other.is_secure(),
            Self::Partition(own) => own != other,
        }
    }
}

/// Bit 0 of the flags of FFA_NOTIFICATION_BIND and FFA_NOTIFICATION_SET.
const PER_VCPU: u32 = 1;

fn require(condition: bool) -> Result<(), FfaError> {
    if condition { Ok(()) } else { Err(FfaError::InvalidParameters) }
}

/// Reads w3 and w4, of which at least one bit has to be set.
fn bitmap(registers: &MessageRegisters) -> Result<Bitmap, FfaError> {
    let bitmap = Bitmap::from(low_half(registers[4])) << 32 | Bitmap::from(low_half(registers[3]));
    require(bitmap != 0)?;
    Ok(bitmap)
}

/// FFA_NOTIFICATION_BITMAP_CREATE (§16.1): the VM, and how many vCPUs it has.
pub(super) fn creation(registers: &MessageRegisters) -> Result<(EndpointId, NonZeroU16), FfaError> {
    // Bits 31–16 have to be zero (table 16.3).
    require(low_half(registers[1]) >> 16 == 0)?;
    // vCPU IDs have 16 bits.
    let vcpus = u16::try_from(low_half(registers[2])).ok().and_then(NonZeroU16::new);
    Ok((vm(registers)?, vcpus.ok_or(FfaError::InvalidParameters)?))
}

/// FFA_NOTIFICATION_BITMAP_DESTROY (§16.2), and w1 of FFA_NOTIFICATION_BITMAP_CREATE: the VM.
pub(super) fn vm(registers: &MessageRegisters) -> Result<EndpointId, FfaError> {
    let (_, vm) = sender_and_receiver(registers[1]);
    require(!vm.is_secure())?;
    Ok(vm)
}

/// FFA_NOTIFICATION_BIND and FFA_NOTIFICATION_UNBIND: whose notifications are whose.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Binding {
    pub(super) sender: EndpointId,
    pub(super) receiver: EndpointId,
    pub(super) bitmap: Bitmap,
}

impl Binding {
    /// Reads FFA_NOTIFICATION_BIND (§16.3). Bit 0 of its flags asks for notifications of single vCPUs; the others are
    /// reserved.
    pub(super) fn bind(speaker: Speaker, registers: &MessageRegisters) -> Result<(Self, Kind), FfaError> {
        let kind = match low_half(registers[2]) {
            0 => Kind::Global,
            PER_VCPU => Kind::PerVcpu,
            _ => return Err(FfaError::InvalidParameters),
        };
        Ok((Self::unbind(speaker, registers)?, kind))
    }

    /// Reads FFA_NOTIFICATION_UNBIND (§16.4).
    pub(super) fn unbind(speaker: Speaker, registers: &MessageRegisters) -> Result<Self, FfaError> {
        let (sender, receiver) = sender_and_receiver(registers[1]);
        require(speaker.speaks_for(receiver) && speaker.may_deal_with(sender))?;
        Ok(Self { sender, receiver, bitmap: bitmap(registers)? })
    }
}

/// FFA_NOTIFICATION_SET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) binding: Binding,
    pub(super) target: Target,
    /// The schedule receiver interrupt has to wait until the core is back in the normal world.
    pub(super) delay: bool,
}

impl Set {
    /// Bit 1 of the flags. Only partitions may set it (§16.5.1).
    const DELAY: u32 = 1 << 1;

    /// Reads FFA_NOTIFICATION_SET (§16.5). Bits 31–16 of its flags are a vCPU if bit 0 is set, and reserved otherwise.
    pub(super) fn read(speaker: Speaker, registers: &MessageRegisters) -> Result<Self, FfaError> {
        let flags = low_half(registers[2]);
        let known = match speaker {
            Speaker::NormalWorld => 0,
            Speaker::Partition(_) => Self::DELAY,
        };
        let (sender, receiver) = sender_and_receiver(registers[1]);
        let vcpu = (flags >> 16) as u16;
        let target = match flags & 0xffff & !known {
            0 if vcpu == 0 => Target::Receiver,
            PER_VCPU => Target::Vcpu(vcpu),
            _ => return Err(FfaError::InvalidParameters),
        };
        require(speaker.speaks_for(sender) && speaker.may_deal_with(receiver))?;
        let binding = Binding { sender, receiver, bitmap: bitmap(registers)? };
        Ok(Self { binding, target, delay: flags & Self::DELAY != 0 })
    }
}

/// FFA_NOTIFICATION_GET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Get {
    pub(super) receiver: EndpointId,
    pub(super) vcpu: u16,
    pub(super) wanted: Wanted,
}

impl Get {
    /// Reads FFA_NOTIFICATION_GET (§16.6). The normal world may ask for what its own hypervisor keeps, and gets zeros
    /// (§10.9, rules 4 and 5).
    pub(super) fn read(speaker: Speaker, registers: &MessageRegisters) -> Result<Self, FfaError> {
        let flags = low_half(registers[2]);
        let (EndpointId(vcpu), receiver) = sender_and_receiver(registers[1]);
        require(flags & !0b1111 == 0 && speaker.speaks_for(receiver))?;
        let wanted = Wanted {
            from_partitions: flags & 1 != 0,
            from_vms: flags & 1 << 1 != 0,
            from_spmc: flags & 1 << 2 != 0,
            from_hypervisor: flags & 1 << 3 != 0,
        };
        Ok(Self { receiver, vcpu, wanted })
    }

    /// Writes the answer: each bitmap of 64 in two registers, those of the framework in one each.
    pub(super) fn answer(registers: &mut MessageRegisters, taken: Taken) {
        let [partitions, vms] =
            [taken.from_partitions, taken.from_vms].map(|map| [low_half(map), low_half(map >> 32)]);
        let [spmc, hypervisor] = [taken.from_spmc, taken.from_hypervisor].map(low_half);
        let values =
            [function::SUCCESS_32, 0, partitions[0], partitions[1], vms[0], vms[1], spmc, hypervisor];
        answer(registers, values);
    }
}

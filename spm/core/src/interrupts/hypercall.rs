// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The calls by HVC with which a partition takes and configures its interrupts: Hafnium's paravirtual interface. x0 holds the
//! function, x1 to x3 the arguments; the answer is in x0, and nothing else changes.

use crate::direct_message::VcpuRef;
use crate::hardware::Hardware;
use crate::interrupts::InterruptLine;
use crate::partition::{CoreIndex, Partition};
use crate::registers::{MessageRegisters, function_id, low_half};
use crate::spmc::Spmc;
use crate::vcpu::VcpuState;

/// Lets an interrupt be signalled or not: x1 = virtual INTID, x2 = 1 or 0, x3 = 0 by vIRQ, 1 by vFIQ.
pub const INTERRUPT_ENABLE: u32 = 0xff03;
/// Takes the next interrupt: answers its virtual INTID, or [`NONE`].
pub const INTERRUPT_GET: u32 = 0xff04;
/// Ends a device's interrupt: x1 = x2 = its INTID.
pub const INTERRUPT_DEACTIVATE: u32 = 0xff08;
/// Changes a device's interrupt: x1 = INTID, x2 = what ([`reconfigure`]), x3 = value.
pub const INTERRUPT_RECONFIGURE: u32 = 0xff09;
/// Makes [`InterruptLine::IPI`] pending for another vCPU of the partition: x1 = its number. If that waits, the normal world is
/// asked to run it, on its core.
pub const INTERRUPT_SEND_IPI: u32 = 0xff0a;

/// What INTERRUPT_GET answers when there is nothing.
pub const NONE: u64 = 0xffff_ffff;
const OK: u64 = 0;
const FAILED: u64 = u64::MAX;

/// x2 of INTERRUPT_RECONFIGURE.
pub mod reconfigure {
    /// x3 = the vCPU, and with it the core, that gets it.
    pub const TARGET: u64 = 0;
    /// x3 = 1 secure, 0 non-secure.
    pub const SECURITY: u64 = 1;
    /// x3 = 1 on, 0 off.
    pub const ENABLE: u64 = 2;
}

/// A call failed; its caller is to blame.
struct Refused;

impl Spmc {
    /// Serves a call of vCPU `from` of a partition, which runs on `core`. False if it is none of these. One of a partition that
    /// has aborted meanwhile changes nothing: the vCPU is not entered again.
    #[must_use]
    pub fn hypercall(
        &self,
        from: VcpuRef,
        registers: &mut MessageRegisters,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) -> bool {
        let Some(partition) = self.partitions().get(from.partition) else { return false };
        if partition.is_stopped() {
            return true;
        }
        let [_, x1, x2, x3, ..] = *registers;
        let result = match function_id(registers) {
            INTERRUPT_GET => {
                registers[0] = take(partition, from.vcpu, hardware);
                return true;
            }
            INTERRUPT_ENABLE => enable(partition, from.vcpu, low_half(x1), x2, x3),
            INTERRUPT_DEACTIVATE => deactivate(partition, from.vcpu, x1, x2, hardware),
            INTERRUPT_RECONFIGURE => reconfigure(partition, x1, x2, x3, hardware),
            INTERRUPT_SEND_IPI => self.send_ipi(from, x1, core, hardware),
            _ => return false,
        };
        registers[0] = if result.is_ok() { OK } else { FAILED };
        true
    }

    fn send_ipi(
        &self,
        from: VcpuRef,
        number: u64,
        core: CoreIndex,
        hardware: &impl Hardware,
    ) -> Result<(), Refused> {
        let vcpu = usize::try_from(number).map_err(|_| Refused)?;
        let target = VcpuRef { partition: from.partition, vcpu };
        let partition = self.partitions().get(from.partition).ok_or(Refused)?;
        if vcpu >= partition.contexts() {
            return Err(Refused);
        }
        let vcpu = partition.vcpu(vcpu).ok_or(Refused)?;
        vcpu.tell_scheduler();
        self.pend(target, InterruptLine::IPI, core, hardware);
        // One that begins to wait meanwhile sees to this itself.
        if vcpu.state() == VcpuState::Waiting
            && vcpu.wants_scheduler()
            && let Some(its) = CoreIndex::new(number)
        {
            hardware.raise_schedule_receiver_interrupt_of(its);
        }
        Ok(())
    }
}

fn take(partition: &Partition, vcpu: usize, hardware: &impl Hardware) -> u64 {
    let Some(vcpu) = partition.vcpu(vcpu) else { return NONE };
    // Partitions that do not end an interrupt by a call have done with the earlier ones when they ask for the next.
    finish_all(partition, &vcpu.interrupts, hardware);
    vcpu.interrupts.take().map_or(NONE, |line| u64::from(partition.intid(line)))
}

/// Ends, in the real controller, what a vCPU has taken.
pub fn finish_all(partition: &Partition, interrupts: &super::VirtualInterrupts, hardware: &impl Hardware) {
    while let Some(line) = interrupts.finish_next() {
        hardware.deactivate_interrupt(partition.intid(line));
    }
}

fn enable(partition: &Partition, vcpu: usize, intid: u32, enable: u64, by: u64) -> Result<(), Refused> {
    let vcpu = partition.vcpu(vcpu).ok_or(Refused)?;
    let line = partition.line(intid).ok_or(Refused)?;
    let by_fiq = match by {
        0 => false,
        1 => true,
        _ => return Err(Refused),
    };
    vcpu.interrupts.enable(line, enable != 0, by_fiq);
    Ok(())
}

fn device_line(partition: &Partition, intid: u64) -> Result<(InterruptLine, u32), Refused> {
    let intid = u32::try_from(intid).map_err(|_| Refused)?;
    let line = partition.line(intid).filter(|line| line.place().is_some()).ok_or(Refused)?;
    Ok((line, intid))
}

fn deactivate(
    partition: &Partition,
    vcpu: usize,
    physical: u64,
    virtual_: u64,
    hardware: &impl Hardware,
) -> Result<(), Refused> {
    let (line, intid) = device_line(partition, physical)?;
    if physical != virtual_ || !partition.vcpu(vcpu).ok_or(Refused)?.interrupts.finish(line) {
        return Err(Refused);
    }
    hardware.deactivate_interrupt(intid);
    Ok(())
}

fn reconfigure(
    partition: &Partition,
    intid: u64,
    what: u64,
    value: u64,
    hardware: &impl Hardware,
) -> Result<(), Refused> {
    let (_, intid) = device_line(partition, intid)?;
    match (what, value) {
        (reconfigure::TARGET, vcpu) => {
            let core = CoreIndex::new(vcpu).ok_or(Refused)?;
            if partition.contexts() > 1 && core.get() >= partition.contexts() {
                return Err(Refused);
            }
            hardware.route_interrupt(intid, core).map_err(|_| Refused)
        }
        (reconfigure::SECURITY, 0 | 1) => {
            hardware.secure_interrupt(intid, value == 1);
            Ok(())
        }
        (reconfigure::ENABLE, 0 | 1) => {
            hardware.enable_interrupt(intid, value == 1);
            Ok(())
        }
        _ => Err(Refused),
    }
}

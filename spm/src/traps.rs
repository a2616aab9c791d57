// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition does that EL2 traps: what is emulated, what is answered by an undefined-instruction exception, and
//! what is the partition's end.
//!
//! Syndromes: Arm ARM D24.2.40 (ESR_EL2).

use core::fmt;

use spm_core::id_registers;
use spm_core::interrupts::virtual_timer::TimerRegister;

use crate::arch::features::Features;
use crate::arch::id_registers as hardware_ids;
use crate::arch::sysreg::{FAR_EL2, HPFAR_EL2, VBAR_EL1};
use crate::arch::undefined;
use crate::contexts::Registers;

/// Exception classes, bits 31–26 of the syndrome.
mod class {
    pub(super) const WFX: u64 = 0x01;
    pub(super) const FP: u64 = 0x07;
    pub(super) const POINTER_AUTHENTICATION: u64 = 0x09;
    pub(super) const SVC: u64 = 0x15;
    pub(super) const HVC: u64 = 0x16;
    pub(super) const SMC: u64 = 0x17;
    pub(super) const SYSTEM_REGISTER: u64 = 0x18;
    pub(super) const SVE: u64 = 0x19;
    pub(super) const INSTRUCTION_ABORT: u64 = 0x20;
    pub(super) const DATA_ABORT: u64 = 0x24;
}

/// Bit 0 of the syndrome of a trapped wait: WFE or WFET, not WFI or WFIT.
const WAIT_FOR_EVENT: u64 = 1;
/// Bit 25 of the syndrome: the instruction has 32 bits, not 16 (which only AArch32 has).
const LONG_INSTRUCTION: u64 = 1 << 25;
/// All A64 instructions have this size, in bytes.
const INSTRUCTION_BYTES: u64 = 4;

/// What is to be done with a partition that trapped.
pub(crate) enum Trap {
    /// It called spm by SMC, or by SVC at S-EL0; the program counter is past the call.
    Call,
    /// It called spm by HVC, likewise.
    Hypercall,
    /// It waits for an interrupt; the program counter is past the wait.
    Wait,
    /// It accesses its timer; the program counter is past that.
    Timer(TimerAccess),
    /// It goes on; all that had to be done is done.
    Resume,
    /// It wants the vector registers, and tries again when it has them.
    NeedsVectors,
    /// It wants the pointer authentication keys.
    NeedsKeys,
    /// It is to be stopped.
    Fault(Fault),
}

/// An access to a register of EL1's physical timer.
#[derive(Clone, Copy)]
pub(crate) struct TimerAccess {
    /// The register.
    pub(crate) register: TimerRegister,
    /// Whether it is read, not written.
    pub(crate) reads: bool,
    /// The number of the general register.
    pub(crate) general: usize,
}

/// Why a partition is stopped.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    /// It touched what is not its own: syndrome, its address, the intermediate physical page.
    Abort { syndrome: u64, address: u64, page: u64 },
    /// It waits for an interrupt.
    Wait,
    /// At S-EL0 it did what nobody there handles: an instruction that is undefined or not allowed, by its syndrome.
    Unhandled(u64),
    /// An asynchronous error, reported while it ran, by its syndrome.
    SystemError(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Abort { syndrome, address, page } => {
                const WRITE: u64 = 1 << 6;
                let what = match syndrome >> 26 {
                    class::INSTRUCTION_ABORT => "execution",
                    _ if syndrome & WRITE != 0 => "write",
                    _ => "read",
                };
                write!(f, "{what} of {address:#x} (page {page:#x}), syndrome {syndrome:#x}")
            }
            Self::Wait => f.write_str("waits for an interrupt, and none can come"),
            Self::Unhandled(syndrome) => {
                write!(f, "an exception that nobody handles, syndrome {syndrome:#x}")
            }
            Self::SystemError(syndrome) => write!(f, "system error, syndrome {syndrome:#x}"),
        }
    }
}

/// Handles a synchronous exception of the partition whose EL1 registers are loaded.
#[inline]
pub(crate) fn handle(syndrome: u64, registers: &mut Registers, features: &Features) -> Trap {
    if syndrome >> 26 == class::SMC {
        registers.elr = registers.elr.wrapping_add(INSTRUCTION_BYTES);
        return Trap::Call;
    }
    handle_others(syndrome, registers, features)
}

#[inline(never)]
fn handle_others(syndrome: u64, registers: &mut Registers, features: &Features) -> Trap {
    match syndrome >> 26 & 0x3f {
        class::HVC => Trap::Hypercall,
        class::WFX if syndrome & WAIT_FOR_EVENT != 0 => skip(syndrome, registers),
        class::WFX => {
            skip(syndrome, registers);
            Trap::Wait
        }
        class::FP => Trap::NeedsVectors,
        class::SVE if features.sve => Trap::NeedsVectors,
        class::POINTER_AUTHENTICATION if features.pauth => Trap::NeedsKeys,
        class::SYSTEM_REGISTER => system_register(syndrome, registers, features),
        class::INSTRUCTION_ABORT | class::DATA_ABORT => Trap::Fault(abort(syndrome)),
        // Unknown reason, FP status, SVE or SME where there is none, and what else traps: nothing that there is.
        _ => refuse(registers),
    }
}

/// Handles a synchronous exception of a partition at S-EL0, which comes here where EL1 would take it. There is no interrupt that
/// it could wait for: waiting is a hint there.
#[inline(never)]
pub(crate) fn handle_application(syndrome: u64, registers: &mut Registers, features: &Features) -> Trap {
    match syndrome >> 26 & 0x3f {
        class::SVC => Trap::Call,
        class::WFX => skip(syndrome, registers),
        class::FP => Trap::NeedsVectors,
        class::SVE if features.sve => Trap::NeedsVectors,
        class::POINTER_AUTHENTICATION if features.pauth => Trap::NeedsKeys,
        class::INSTRUCTION_ABORT | class::DATA_ABORT => Trap::Fault(abort(syndrome)),
        _ => Trap::Fault(Fault::Unhandled(syndrome)),
    }
}

fn abort(syndrome: u64) -> Fault {
    const PAGE_FIELD: u64 = 0xfff_ffff_fff0;
    let page = (HPFAR_EL2::read() & PAGE_FIELD) << 8;
    Fault::Abort { syndrome, address: FAR_EL2::read(), page }
}

/// Goes on behind the instruction.
fn skip(syndrome: u64, registers: &mut Registers) -> Trap {
    let bytes = if syndrome & LONG_INSTRUCTION != 0 { INSTRUCTION_BYTES } else { INSTRUCTION_BYTES / 2 };
    registers.elr = registers.elr.wrapping_add(bytes);
    Trap::Resume
}

/// Lets the instruction be undefined, as on a CPU without the register.
fn refuse(registers: &mut Registers) -> Trap {
    let (vector, state) = undefined::inject(registers.elr, registers.spsr, VBAR_EL1::read());
    registers.elr = vector;
    registers.spsr = state;
    Trap::Resume
}

fn system_register(syndrome: u64, registers: &mut Registers, features: &Features) -> Trap {
    let field = |lowest: u64, bits: u64| (syndrome >> lowest) & ((1 << bits) - 1);
    let (op0, op1, crn, crm, op2) = (field(20, 2), field(14, 3), field(10, 4), field(1, 4), field(17, 3));
    let reads = field(0, 1) == 1;
    match (op0, op1, crn) {
        (3, 0, 0) if reads => {
            let (Ok(crm), Ok(op2)) = (u8::try_from(crm), u8::try_from(op2)) else {
                return refuse(registers);
            };
            let value = id_registers::visible(crm, op2, hardware_ids::read(crm, op2));
            let target = usize::try_from(field(5, 5)).ok().and_then(|number| registers.get_mut(number));
            if let Some(target) = target {
                *target = value;
            }
            skip(syndrome, registers)
        }
        // CNTP_TVAL_EL0, CNTP_CTL_EL0, CNTP_CVAL_EL0.
        (3, 3, 14) if crm == 2 => match TimerRegister::from_op2(op2) {
            Some(register) => {
                skip(syndrome, registers);
                // x31 is zero: it is read as zero, and what is written is lost.
                let general = usize::try_from(field(5, 5)).unwrap_or(usize::MAX);
                Trap::Timer(TimerAccess { register, reads, general })
            }
            None => refuse(registers),
        },
        // APIAKeyLo_EL1 to APGAKeyHi_EL1.
        (3, 0, 2) if (1..=3).contains(&crm) && features.pauth => Trap::NeedsKeys,
        // Cache maintenance by set and way: of no use to a partition, whose caches others share.
        (1, _, 7) => skip(syndrome, registers),
        _ => refuse(registers),
    }
}

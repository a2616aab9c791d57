// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Exceptions of the partition itself. Interrupts stay masked, so each one is a bug: it is reported, and the partition ends.
#![expect(unsafe_code, reason = "exception vectors, and the frame records that a report follows")]

use core::arch::global_asm;

use crate::stop::stop;
use crate::vcpu::MAX_VCPUS;
use crate::{image, log, stacks};

/// Bytes of the stack on which a fault is reported: the fault may have been the end of the other one.
const FAULT_STACK: usize = 0x2000;
/// Most callers that a report names.
const MAX_FRAMES: usize = 12;

// The first vCPU that faults gets the stack and reports; any other ends the partition without a word. More faults than
// vCPUs mean that the partition manager does not take the end as one.
global_asm!(
    r#"
    .section .text.vectors, "ax"
    .balign 2048
sp_vectors:
    .set vector, 0
    .rept 16
    .balign 128
    mov     w0, #vector
    b       sp_fault
    .set vector, vector + 1
    .endr

sp_fault:
    adrp    x9, {faults}
    add     x9, x9, :lo12:{faults}
1:  ldaxr   w10, [x9]
    cmp     w10, #{most}
    b.hi    2f
    add     w11, w10, #1
    stlxr   w12, w11, [x9]
    cbnz    w12, 1b
    cbnz    w10, sp_refuse
    mrs     x1, esr_el1
    mrs     x2, elr_el1
    mrs     x3, far_el1
    mov     x4, x29
    adrp    x9, {stack}
    add     x9, x9, :lo12:{stack}
    add     sp, x9, #{stack_size}
    mov     x29, xzr
    b       {report}
2:  wfi
    b       2b
"#,
    faults = sym FAULTS,
    most = const MAX_VCPUS,
    stack = sym STACK,
    stack_size = const FAULT_STACK,
    report = sym report,
);

static FAULTS: core::sync::atomic::AtomicU32 = core::sync::atomic::AtomicU32::new(0);
static STACK: FaultStack = FaultStack(core::cell::UnsafeCell::new([0; FAULT_STACK]));

#[repr(C, align(16))]
struct FaultStack(core::cell::UnsafeCell<[u8; FAULT_STACK]>);

// SAFETY: `FAULTS` lets one vCPU have it, once.
unsafe impl Sync for FaultStack {}

extern "C" fn report(vector: u32, syndrome: u64, pc: u64, address: u64, frame: u64) -> ! {
    let base = image::text().start as u64;
    let kind = match vector {
        4 => "synchronous exception",
        5 => "IRQ",
        6 => "FIQ",
        7 => "SError",
        _ => "exception from a level that is not used",
    };
    log!("{kind}: ESR {syndrome:#010x} at image+{:#x}, FAR {address:#x}", pc.wrapping_sub(base));
    let mut frame = frame;
    for _ in 0..MAX_FRAMES {
        let Some((caller, return_address)) = frame_record(frame) else { break };
        log!("  called from image+{:#x}", return_address.wrapping_sub(base));
        if caller <= frame {
            break;
        }
        frame = caller;
    }
    stop()
}

/// Reads the frame record at `frame` (AAPCS64 §6.2.3), if that lies on a stack: the caller's frame, and the address in it.
fn frame_record(frame: u64) -> Option<(u64, u64)> {
    let address = usize::try_from(frame).ok()?;
    let end = address.checked_add(16)?;
    let on_stack =
        image::stacks().chain(stacks::all()).any(|stack| stack.start <= address && end <= stack.end);
    if !on_stack || !address.is_multiple_of(16) {
        return None;
    }
    let record = core::ptr::with_exposed_provenance::<[u64; 2]>(address);
    // SAFETY: the 16 bytes lie on a stack, which is mapped and readable, and are aligned; any contents are valid.
    let [caller, return_address] = unsafe { record.read_volatile() };
    Some((caller, return_address))
}

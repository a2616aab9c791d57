// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is shown and tested on QEMU.
#![no_std]
#![no_main]

mod platform;

use nwd::{counter, edu, edu::Edu, fatal, ffa, log, main};

main!(run);

fn run() -> ! {
    let machine = platform::start();
    log!("scenarios on {}, mpidr {:#x}, {} Hz", platform::PLATFORM, counter::mpidr(), counter::frequency());
    log!("mailbox {:?}", machine.mailbox());
    log!("FFA_VERSION {:#x}", ffa::version(ffa::VERSION));
    log!("id {:?} spm {:?}", ffa::id_get(), ffa::spm_id_get());
    let mut ecam = machine.ecam();
    let functions: heapless::Vec<_, 32> = ecam.functions().collect();
    let scratch = machine.scratch();
    for function in &functions {
        log!("{} {:#010x}", function.id, function.vendor_device);
        if function.vendor_device == edu::VENDOR_DEVICE
            && let Some(registers) = ecam.enable(function)
        {
            let device = Edu::new(function.id, registers);
            log!("  bar {:#x} {:?}", registers.base(), device);
            if let Ok(device) = device {
                scratch.write(0, b"hello, device");
                let at = ffa_abi::Iova(scratch.address().0);
                let t = counter::now();
                log!("  {:?}", device.read_ram(at, 0, 16));
                log!("  {:?} {}", device.write_ram(ffa_abi::Iova(at.0 + 4096), 0, 16), counter::now() - t);
                let mut bytes = [0; 13];
                scratch.read(4096, &mut bytes);
                log!("  {:?}", core::str::from_utf8(&bytes));
            }
        }
    }
    for core in 1..4 {
        log!(
            "core {core} {:?}",
            nwd::cores::run(machine.cores(), core, |core| log!("I am {core}, {:#x}", counter::mpidr()))
        );
        log!("core {core} {:?}", nwd::cores::wait(machine.cores(), core, 1));
    }
    fatal(format_args!("end"))
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    fatal(format_args!("{info}"))
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU's command line.

use super::Boot;
use super::watch::log_of;
use crate::platform::Machine;
use std::path::Path;
use std::process::Command;

/// Devices with a DMA engine: the host's by policy, one that the policy gives to nobody, one that it does not name. They
/// take the next free slots of the bus in this order; the platform description names their stream IDs.
const EDU_DEVICES: usize = 3;
/// Without a mask of its own, `edu` drops the upper address bits.
const EDU: &str = "edu,dma_mask=0xffffffffffffffff";

/// Returns the command that boots a machine, with its consoles going to files in `dir`.
pub(super) fn command(boot: &Boot<'_>, dir: &Path) -> Command {
    // The kernel ends QEMU with us, whatever way we end.
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "qemu-system-aarch64"]);
    match boot.machine {
        Machine::SbsaRef => {
            command.args(["-M", "sbsa-ref"]);
            for flash in [boot.image.flash(), boot.image.second_flash()] {
                command
                    .arg("-drive")
                    .arg(format!("if=pflash,format=raw,readonly=on,file={}", escaped(&flash)));
            }
            // The display would look for a ROM file that only a desktop's package has.
            command.args(["-global", "bochs-display.romfile="]);
        }
        Machine::Virt => {
            command.args(["-M", "virt,secure=on,virtualization=on,gic-version=3,iommu=smmuv3", "-bios"]);
            command.arg(boot.image.flash());
        }
    }
    command.args(["-cpu", "max", "-smp", &boot.mailbox.cores.to_string()]);
    command.args(["-m", &boot.platform.memory.normal_ram_mib().to_string()]);
    for _ in 0..EDU_DEVICES {
        command.args(["-device", EDU]);
    }
    command.args(["-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot"]);
    for number in 0..consoles(boot.machine) {
        command.arg("-chardev").arg(format!("file,id=uart{number},path={}", escaped(&log_of(dir, number))));
        command.args(["-serial", &format!("chardev:uart{number}")]);
    }
    for (word, address) in boot.mailbox.words().iter().zip((boot.platform.memory.mailbox.base..).step_by(8)) {
        command.args(["-device", &format!("loader,addr={address:#x},data={word:#x},data-len=8")]);
    }
    if boot.counted {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    command.args(boot.extra);
    command
}

/// Returns how many serial ports a machine has; the first is the normal world's.
pub(super) fn consoles(machine: Machine) -> usize {
    match machine {
        Machine::SbsaRef => 3,
        Machine::Virt => 2,
    }
}

/// Returns a path as QEMU reads it within an option, where a comma would begin the next one.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

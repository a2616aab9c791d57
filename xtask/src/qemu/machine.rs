// SPDX-License-Identifier: Apache-2.0 OR MIT
//! QEMU's command line.

use super::Boot;
use super::watch::log_of;
use crate::image::Image;
use crate::platform::Machine;
use std::path::Path;
use std::process::Command;

/// Devices with a DMA engine: the host's by policy, one that the policy gives to nobody, one that it does not name. They
/// take the next free slots of the bus in this order; the platform description names their stream IDs.
const EDU_DEVICES: usize = 3;
/// Without a mask of its own, `edu` drops the upper address bits.
const EDU: &str = "edu,dma_mask=0xffffffffffffffff";

/// What every command line begins with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Base<'a> {
    /// Which machine.
    pub(super) machine: Machine,
    /// What its flash holds.
    pub(super) image: &'a Image,
    /// The description of its platform.
    pub(super) platform: &'a manifests::Platform,
    /// Number of cores.
    pub(super) cores: u64,
}

impl Base<'_> {
    /// Returns the command of the bare machine; `properties` are more of its own (`-M machine,...`).
    pub(super) fn command(&self, properties: &str) -> Command {
        // The kernel ends QEMU with us, whatever way we end.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "qemu-system-aarch64"]);
        match self.machine {
            Machine::SbsaRef => {
                command.args(["-M", &format!("sbsa-ref{properties}")]);
                for flash in [self.image.flash(), self.image.second_flash()] {
                    command
                        .arg("-drive")
                        .arg(format!("if=pflash,format=raw,readonly=on,file={}", escaped(&flash)));
                }
                // The display would look for a ROM file that only a desktop's package has.
                command.args(["-global", "bochs-display.romfile="]);
            }
            Machine::Virt => {
                let virt = "virt,secure=on,virtualization=on,gic-version=3,iommu=smmuv3";
                command.args(["-M", &format!("{virt}{properties}"), "-bios"]).arg(self.image.flash());
            }
        }
        command.args(["-cpu", "max", "-smp", &self.cores.to_string()]);
        command.args(["-m", &self.platform.memory.normal_ram_mib().to_string()]);
        command.args(["-nic", "none", "-display", "none", "-monitor", "none", "-no-reboot"]);
        command
    }

    /// Returns the command with its consoles going to files in `dir`.
    pub(super) fn with_consoles(&self, dir: &Path) -> Command {
        let mut command = self.command("");
        for number in 0..consoles(self.machine) {
            command
                .arg("-chardev")
                .arg(format!("file,id=uart{number},path={}", escaped(&log_of(dir, number))));
            command.args(["-serial", &format!("chardev:uart{number}")]);
        }
        command
    }
}

/// Returns the command that boots the client, with its devices and what it is told.
pub(super) fn command(boot: &Boot<'_>, dir: &Path) -> Command {
    let Boot { machine, image, platform, .. } = *boot;
    let mut command = Base { machine, image, platform, cores: boot.mailbox.cores }.with_consoles(dir);
    for _ in 0..EDU_DEVICES {
        command.args(["-device", EDU]);
    }
    for (word, address) in boot.mailbox.words().iter().zip((platform.memory.mailbox.base..).step_by(8)) {
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
pub(super) fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

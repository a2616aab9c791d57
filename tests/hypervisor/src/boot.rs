// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From entry to a host that runs: the claim, what the host may reach, its image.

use crate::{
    buffers, guest, host, pci,
    platform::{self, HOST_IMAGE, OWN},
    registers,
    stage2::{self, Access, CannotMap, Granule},
};
use ffa_abi::{HOST_SERVICE, PageOwner, PhysAddr};
use nwd::{Region, fatal, ffa, hyp::Hyp, iommu::Iommu, log};

/// Bit of the mailbox's flags: the host is held by nothing, to see that the attacks notice.
const UNGUARDED: u64 = 1 << 0;

/// Starts everything.
pub(crate) fn start() -> ! {
    let machine = platform::start();
    let Some(mailbox) = machine.mailbox() else { fatal(format_args!("nobody left a mailbox for this run")) };
    let hyp = claim();
    guest::start(hyp);
    pci::number_buses();
    if map().is_err() {
        fatal(format_args!("hypervisor: the tables of stage 2 are used up"));
    }
    if mailbox.flags & UNGUARDED != 0 {
        log!("hypervisor: THE HOST IS NOT GUARDED, ON PURPOSE");
        host::set_unguarded();
        // The host is to have buffers of its own with the SPMC.
        if let Err(error) = ffa::rxtx_unmap() {
            fatal(format_args!("hypervisor: its buffers cannot be unmapped: {error}"));
        }
    }
    load();
    host::start()
}

/// Claims the role before anybody else runs, and takes the hypervisor's own memory.
fn claim() -> Hyp {
    let version = ffa::version(ffa::VERSION);
    if version != u64::from(u32::from(ffa::VERSION)) {
        fatal(format_args!("hypervisor: FF-A {} is not there: {version:#x}", ffa::VERSION));
    }
    if let Err(error) = buffers::start() {
        fatal(format_args!("hypervisor: its buffers cannot be mapped: {error}"));
    }
    let Some(service) = service() else {
        fatal(format_args!("hypervisor: no partition offers the service {HOST_SERVICE}"))
    };
    let hyp = match Hyp::claim(Iommu::new(service)) {
        Ok(hyp) => hyp,
        Err(error) => fatal(format_args!("hypervisor: the role cannot be claimed: {error}")),
    };
    if let Err(error) = hyp.own(PhysAddr(OWN.base), OWN.size / platform::PAGE, PageOwner::Hyp) {
        fatal(format_args!("hypervisor: its own memory cannot be taken: {error}"));
    }
    log!("hypervisor: has claimed its role with partition {service:#x}");
    hyp
}

fn service() -> Option<u16> {
    let [_, receive] = platform::buffers();
    let mut found = None;
    ffa::partitions(&receive, HOST_SERVICE, |info| found = Some(info.partition_id)).ok()?;
    ffa::rx_release().ok()?;
    found
}

/// Maps what the host may reach. SMMU frames, the pool, this program, and every device that is not named are not among it;
/// nor is PCI configuration space, whose accesses are made in the host's place.
fn map() -> Result<(), CannotMap> {
    let memory = platform::MEMORY;
    let end = |region: Region| region.base + region.size;
    let mut gaps = [OWN, platform::MOVABLE, platform::TABLES];
    gaps.sort_unstable_by_key(|gap| gap.base);
    let mut at = memory.base;
    for gap in gaps {
        stage2::map(Region { base: at, size: gap.base - at }, Access::Memory, Granule::Largest)?;
        at = end(gap);
    }
    stage2::map(Region { base: at, size: end(memory) - at }, Access::Memory, Granule::Largest)?;
    stage2::map(platform::MOVABLE, Access::Memory, Granule::Page)?;
    let (bars, assignable) = (platform::BARS, platform::ASSIGNABLE);
    stage2::map(assignable, Access::Device, Granule::Page)?;
    let others = Region { base: end(assignable), size: bars.size - assignable.size };
    for device in [platform::UART, platform::DISTRIBUTOR, others] {
        stage2::map(device, Access::Device, Granule::Largest)?;
    }
    // The other frame says where the redistributor's tables are, and no SMMU sees what it does there.
    platform::private_interrupts().try_for_each(|frame| stage2::map(frame, Access::Device, Granule::Largest))
}

/// Puts the host's image where it is entered.
fn load() {
    platform::host_memory().write(0, HOST_IMAGE);
    registers::clean(platform::HOST, HOST_IMAGE.len() as u64);
}

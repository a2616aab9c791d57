// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From entry to a world in which scenarios can run: machine, devices, service.

use crate::{platform, world::World};
use ffa_abi::HOST_SERVICE;
use nwd::{
    Machine,
    edu::{self, Edu},
    fatal, ffa,
    iommu::Iommu,
    log,
    mailbox::Mailbox,
};
use uuid::{Uuid, uuid};

/// The partition for tests; its protocol is described in its own source.
const TEST_SP: Uuid = uuid!("b4b5671e-4a90-4fe1-b81f-fb13dae1dacb");

/// Starts the machine, and reads what is to be done.
pub(crate) fn start() -> (Machine, Mailbox) {
    let machine = platform::start();
    let Some(mailbox) = machine.mailbox() else { fatal(format_args!("nobody left a mailbox for this run")) };
    log!(
        "{}: mode {:?}, seed {:#x}, {} cores",
        platform::PLATFORM,
        mailbox.mode,
        mailbox.seed,
        mailbox.cores
    );
    (machine, mailbox)
}

/// Finds what scenarios need. Nothing is asked of the service here.
pub(crate) fn world(machine: Machine, mailbox: Mailbox) -> World {
    let version = ffa::version(ffa::VERSION);
    if version != u64::from(u32::from(ffa::VERSION)) {
        fatal(format_args!("FF-A {} is not there: {version:#x}", ffa::VERSION));
    }
    let (service, test_sp) = partitions(&machine);
    let Some(service) = service else {
        fatal(format_args!("no partition offers the service {HOST_SERVICE}"))
    };
    log!("the service is partition {service:#x}, the one for tests {test_sp:x?}");
    let devices = devices(&machine);
    World::new(machine, mailbox, Iommu::new(service), test_sp, devices)
}

/// Finds the service and the partition for tests.
fn partitions(machine: &Machine) -> (Option<u16>, Option<u16>) {
    let receive = machine.scratch().part(0, ffa::BUFFER_SIZE as u64);
    let transmit = machine.scratch().part(ffa::BUFFER_SIZE as u64, ffa::BUFFER_SIZE as u64);
    if let Err(error) = ffa::rxtx_map(&receive, &transmit) {
        fatal(format_args!("buffers cannot be mapped: {error}"));
    }
    let find = |uuid| {
        let mut found = None;
        match ffa::partitions(&receive, uuid, |info| found = Some(info.partition_id)) {
            Ok(_) => {
                if let Err(error) = ffa::rx_release() {
                    fatal(format_args!("the receive buffer cannot be released: {error}"));
                }
            }
            Err(error) => log!("no partition with UUID {uuid}: {error}"),
        }
        found
    };
    let found = (find(HOST_SERVICE), find(TEST_SP));
    if let Err(error) = ffa::rxtx_unmap() {
        fatal(format_args!("buffers cannot be unmapped: {error}"));
    }
    found
}

/// Finds the three DMA engines by their stream IDs: the host's, nobody's, the unlisted one.
fn devices(machine: &Machine) -> [Edu; 3] {
    let mut ecam = machine.ecam();
    let functions: heapless::Vec<_, 32> = ecam.functions().collect();
    let mut find = |stream: u32| {
        let Some(function) = functions.iter().find(|function| u32::from(function.id.0) == stream) else {
            fatal(format_args!("there is no PCI function with stream ID {stream:#x}"))
        };
        if function.vendor_device != edu::VENDOR_DEVICE {
            fatal(format_args!("{} is no edu device: {:#010x}", function.id, function.vendor_device));
        }
        let Some(registers) = ecam.enable(function) else {
            fatal(format_args!("{} cannot be given a BAR", function.id))
        };
        match Edu::new(function.id, registers) {
            Ok(device) => device,
            Err(error) => fatal(format_args!("{}: {error}", function.id)),
        }
    };
    let devices = [platform::DEVICE.first_stream_id, platform::REFUSED_STREAM, platform::OUTSIDE_STREAM_ID];
    devices.map(&mut find)
}

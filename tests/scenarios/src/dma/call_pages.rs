// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Call pages: what is asked in shared memory is answered there, and as in registers.

use super::rings;
use crate::{
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::World,
};
use ffa_abi::{AreaHandle, CallAnswer, CallRequest, DeviceEntry, DeviceRecord, Status};
use nwd::{call, ram::Ram};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "call-page",
    claim: "What is asked in a page that a client shares is answered there, as in registers",
    expected: "the same devices and digest as in registers; bytes that are no request refused, each with its reason",
    audience: Test,
    cores: 1,
    run: pages,
}];

fn pages(world: &mut World) -> Outcome {
    let ring = rings::make(world)?;
    let memory = rings::memory_of(world);
    let outcome = ask(world, (&memory, ring.area()));
    ring.close()?;
    outcome
}

fn ask(world: &World, page: (&Ram, AreaHandle)) -> Outcome {
    let iommu = world.iommu;
    let digest = call::ask(iommu, page, CallRequest::PolicyDigest)?;
    let told = iommu.policy_digest()?;
    let CallAnswer::PolicyDigest(bytes) = digest else { return unexpected(&digest) };
    let words = bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word));
    ensure!(words.eq(told), "the digest is {bytes:x?}, and {told:x?} in registers");
    let (mut first, mut count, mut ours) = (0, 0, None);
    loop {
        let answer = call::ask(iommu, page, CallRequest::Devices { first })?;
        let CallAnswer::Devices { next, devices } = answer else { return unexpected(&answer) };
        for device in &devices {
            let told = iommu.device(count)?;
            ensure!(
                told.is_some_and(|told| same(device, &told)),
                "device {count}: {device:x?} and {told:x?}"
            );
            count += 1;
            if device.first == world.device.stream().0 {
                ours = Some(*device);
            }
        }
        match next {
            Some(next) if next > first => first = next,
            Some(next) => return Err(Failure::new(format_args!("from {first} on to {next}"))),
            None => break,
        }
    }
    ensure!(iommu.device(count)?.is_none(), "there are more than {count} devices in registers");
    let wanted = (crate::platform::DEVICE.iova_base, crate::platform::DEVICE.iova_size);
    let window = ours.map(|device| (device.window_base, device.window_size));
    ensure!(window == Some(wanted), "the device's window is {window:x?} in place of {wanted:x?}");
    let statistics = call::ask(iommu, page, CallRequest::Statistics)?;
    let CallAnswer::Statistics { pool_left, .. } = statistics else { return unexpected(&statistics) };
    ensure!(pool_left > 0, "nothing of the pool is left");
    let mut bytes = [0; 16];
    for (start, length, status) in [
        ([1, 0], 2, Status::InvalidParameters),
        ([0, 0x80], 2, Status::InvalidParameters),
        ([0, 0], 1, Status::InvalidParameters),
        ([0xff, 0], 2, Status::NotSupported),
        ([1, 0], 0, Status::OutOfRange),
        ([1, 0], 17, Status::OutOfRange),
    ] {
        [bytes[0], bytes[1]] = start;
        refused("bytes that are no request", call::send(iommu, page, &bytes, length), status)?;
    }
    seen!("the digest and {count} devices as in registers; six requests that are none refused")
}

fn same(device: &DeviceEntry, told: &DeviceRecord) -> bool {
    (device.smmu, device.first, device.count, device.name)
        == (told.smmu.0, told.first.0, told.count, told.name)
}

fn unexpected(answer: &CallAnswer) -> Outcome {
    Err(Failure::new(format_args!("an answer to another request: {answer:x?}")))
}

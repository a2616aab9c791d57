// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Before anyone has asked for anything.

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Outcome, Scenario},
    seen,
    world::{Arrival, READ_WRITE, TRANSFER_COUNT, World, require, untranslated},
};
use ffa_abi::{GuardLevel, PROTOCOL_VERSION};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "dma-unasked",
        claim: "Before anyone has asked for anything, a device can neither read nor write memory",
        expected: "no byte moves; the same transfers work once they are allowed",
        audience: Everyone,
        cores: 1,
        run: unasked,
    },
    Scenario {
        name: "service",
        claim: "The service says which protocol it speaks, which policy is in force and who guards the SMMU",
        expected: "this protocol, the digest of the policy that was built, guard level of the policy",
        audience: Everyone,
        cores: 1,
        run: service,
    },
];

pub(crate) fn unasked(world: &mut World) -> Outcome {
    let (from, to) = (world.page(0), world.page(1));
    world.say(format_args!(
        "   Nobody has asked for any DMA yet. The device is told to read a page of RAM, and to write to another."
    ));
    // The device's buffer cannot be looked into yet: what it read is asked for below.
    let secret: [u8; 256] = world.random.bytes();
    from.write(0, &secret);
    world.device.read_ram(untranslated(from.address()), 0, TRANSFER_COUNT)?;
    let device = world.device;
    let written = world.put_by(&device, untranslated(to.address()), &to)?;
    require("an unasked write", written, Arrival::Nothing)?;
    let read = world.peek()?;
    ensure!(read != secret, "the device read {} bytes of RAM unasked", secret.len());
    ensure!(!read.chunks(8).zip(secret.chunks(8)).any(|(a, b)| a == b), "the device read a part of the page");

    world.say(format_args!(
        "   Nothing moved. Now both pages are asked for, and the same transfers are tried again."
    ));
    let domain = world.attached_domain()?;
    let (readable, writable) = (world.iova(0), world.iova(0x10_0000));
    world.map(domain, readable, &from, READ_WRITE)?;
    world.map(domain, writable, &to, READ_WRITE)?;
    let got = world.get(readable, &from)?;
    require("the read, once allowed", got, Arrival::All)?;
    let pattern = world.load()?;
    let put = world.put(&pattern, writable, &to)?;
    require("the write, once allowed", put, Arrival::All)?;
    seen!("unasked: {written}; once allowed: {put}")
}

fn service(world: &mut World) -> Outcome {
    let version = world.iommu.version()?;
    ensure!(version == PROTOCOL_VERSION, "version {version:?}");
    let (guard, _, limits) = world.iommu.features()?;
    let (level, words) = match guard {
        GuardLevel::Nobody => (
            "nobody",
            "Nobody: software at EL2 could reprogram it. Here sidguard stops mistakes, not attacks.",
        ),
        GuardLevel::El2 => {
            ("el2", "The hypervisor's stage 2: it holds against the kernel, and trusts the hypervisor.")
        }
        GuardLevel::BusFilter => {
            ("bus-filter", "A filter on the bus: it holds against kernel and hypervisor.")
        }
    };
    world.say(format_args!(
        "   Who keeps the normal world away from the SMMU's registers and tables on this machine?"
    ));
    world.say(format_args!("   {words}"));
    ensure!(level == platform::GUARD, "guard level {level}");
    let mut digest = [0; 32];
    for (bytes, word) in digest.chunks_mut(8).zip(world.iommu.policy_digest()?) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    ensure!(digest == platform::POLICY_DIGEST, "digest {digest:02x?}");
    seen!(
        "protocol {}.{}, guard level {level}, the policy's digest, {} domains, {} fault reports",
        version.major,
        version.minor,
        limits.domains,
        limits.faults
    )
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Devices and stream IDs that are not the caller's.

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, READ_WRITE, TRANSFER_COUNT, World, require, untranslated},
};
use ffa_abi::{DeviceRecord, DeviceState, Difference, SmmuIndex, Status, StreamId};
use nwd::edu::Edu;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "listed-devices",
        claim: "The service lists the devices that the policy gives to the host, and no others",
        expected: "each of the policy's devices for the host once; neither of the other two DMA engines",
        audience: Everyone,
        cores: 1,
        run: listed,
    },
    Scenario {
        name: "registered-devices",
        claim: "What a kernel found of a device is compared with the policy, field by field",
        expected: "the truth is confirmed twice; each wrong field is named; others' devices are denied",
        audience: Everyone,
        cores: 1,
        run: registered,
    },
    Scenario {
        name: "nobodys-device",
        claim: "A device that the policy gives to nobody here can be neither attached nor used for DMA",
        expected: "attach is denied; its DMA moves no byte, where our own device's moves all",
        audience: Everyone,
        cores: 1,
        run: nobodys,
    },
    Scenario {
        name: "unlisted-device",
        claim: "A device that is not in the policy can be neither attached nor used for DMA",
        expected: "attach is denied; its DMA moves no byte, where our own device's moves all",
        audience: Everyone,
        cores: 1,
        run: unlisted,
    },
    Scenario {
        name: "other-stream",
        claim: "Naming a stream ID that is not ours is refused, and changes nothing",
        expected: "denied for the neighbour's, for an unknown one, for one beyond the SMMU; our device works on",
        audience: Everyone,
        cores: 1,
        run: other_stream,
    },
];

fn listed(world: &mut World) -> Outcome {
    let wanted = platform::DEVICES.iter().filter(|device| device.host_may_hold).count();
    let mut found = 0;
    while let Some(record) = world.iommu.device(found as u64)? {
        let Some(device) = platform::DEVICES.iter().find(|device| record.name() == Some(device.name)) else {
            return Err(Failure::new(format_args!("{record:?} is not in the policy")));
        };
        ensure!(
            device.host_may_hold
                && record.first.0 == device.first_stream_id
                && record.count == device.stream_ids
                && record.smmu.0 == device.smmu,
            "{record:?} is not what the policy says"
        );
        found += 1;
        ensure!(found <= wanted, "more devices than the policy gives to the host");
    }
    ensure!(found == wanted, "{found} devices of {wanted}");
    seen!("{found} devices, as in the policy")
}

fn registered(world: &mut World) -> Outcome {
    let iommu = world.iommu;
    let Some(truth) = iommu.device(0)? else {
        return Err(Failure::new(format_args!("no device is listed")));
    };
    for _ in 0..2 {
        let differs = iommu.register(truth)?;
        ensure!(differs.is_empty(), "the truth differs in {differs:?}");
    }
    let wrong = [
        (DeviceRecord { smmu: SmmuIndex(7), ..truth }, Difference::SMMU),
        (DeviceRecord { first: StreamId(truth.first.0 + 1), ..truth }, Difference::FIRST),
        (DeviceRecord { count: truth.count + 1, ..truth }, Difference::COUNT),
        (DeviceRecord { name: [b'?'; 16], ..truth }, Difference::NAME),
    ];
    for (found, field) in wrong {
        let differs = iommu.register(found)?;
        ensure!(differs == field, "{differs:?} in place of {field:?}");
    }
    for stream in [platform::REFUSED_STREAM, platform::OUTSIDE_STREAM_ID] {
        let found = DeviceRecord { first: StreamId(stream), name: [0; 16], ..truth };
        refused("another's device", iommu.register(found), Status::Denied)?;
    }
    seen!("the truth confirmed twice; four wrong fields named, each alone; two others' devices denied")
}

pub(crate) fn nobodys(world: &mut World) -> Outcome {
    world.say(format_args!(
        "   There is a second device of the same kind. The policy knows it, and gives it to nobody."
    ));
    let device = world.nobodys;
    not_ours(world, &device)
}

pub(crate) fn unlisted(world: &mut World) -> Outcome {
    world.say(format_args!(
        "   There is a third one. The policy does not name it at all, as if somebody had plugged it in."
    ));
    let device = world.unlisted;
    not_ours(world, &device)
}

/// Shows that a transfer works for the host's device, and that the other one can be brought to none.
fn not_ours(world: &mut World, other: &Edu) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x1_2000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    world.say(format_args!(
        "   Our own device writes a page; then the other one is to be attached to the same mappings."
    ));
    require("our own device", world.put(&pattern, iova, &page)?, Arrival::All)?;
    let state = DeviceState::Paging(domain);
    refused("attach", world.iommu.set_state(world.smmu(), other.stream(), state), Status::Denied)?;
    refused(
        "block",
        world.iommu.set_state(world.smmu(), other.stream(), DeviceState::Blocked),
        Status::Denied,
    )?;
    world.say(format_args!("   That was refused. The other device is told to do its DMA all the same."));
    let mapped = world.put_by(other, iova, &page)?;
    require("its write to the mapped address", mapped, Arrival::Nothing)?;
    let physical = world.put_by(other, untranslated(page.address()), &page)?;
    require("its write to the page's physical address", physical, Arrival::Nothing)?;
    // What it read it would now write, if it could.
    other.read_ram(iova, 0, TRANSFER_COUNT)?;
    other.read_ram(untranslated(page.address()), 0, TRANSFER_COUNT)?;
    require("its write after reading", world.put_by(other, iova, &page)?, Arrival::Nothing)?;
    require("our own device again", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("attach denied; its DMA: {mapped}, by mapped or physical address; ours: all bytes arrived")
}

pub(crate) fn other_stream(world: &mut World) -> Outcome {
    let (page, iova) = (world.page(0), world.iova(0x1_5000));
    let domain = world.attached_domain()?;
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("our own device", world.put(&pattern, iova, &page)?, Arrival::All)?;
    let (smmu, state) = (world.smmu(), DeviceState::Paging(domain));
    for (what, sid) in [
        ("the neighbour's", world.nobodys.stream()),
        ("an unknown stream", world.unlisted.stream()),
        ("a stream beyond the SMMU", StreamId(0x1_0000)),
        ("the last number", StreamId(u32::MAX)),
    ] {
        refused(what, world.iommu.set_state(smmu, sid, state), Status::Denied)?;
        refused(what, world.iommu.set_state(smmu, sid, DeviceState::Blocked), Status::Denied)?;
    }
    let nowhere = SmmuIndex(smmu.0 + 1);
    refused(
        "an SMMU that is not there",
        world.iommu.set_state(nowhere, world.device.stream(), state),
        Status::Denied,
    )?;
    require("our own device again", world.put(&pattern, iova, &page)?, Arrival::All)?;
    seen!("all denied; our own device: all bytes arrived, before and after")
}

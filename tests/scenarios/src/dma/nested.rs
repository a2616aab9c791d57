// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A stage 1 of the kernel's own: a context descriptor and tables that this program writes, in front of a domain.

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use ffa_abi::{DeviceState, DomainHandle, Iova, Protection, Request, Status, StreamId};
use nwd::ram::Ram;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "nested",
        claim: "A kernel's own stage 1 leads a device where its domain leads, and nowhere else",
        expected: "bytes arrive through both stages; none by an address that the domain has not, none after it is unmapped",
        audience: Everyone,
        cores: 1,
        run: nested,
    },
    Scenario {
        name: "nested-invalidate",
        claim: "A kernel has its own stage 1 forgotten, and nothing else",
        expected: "the new page after invalidation; commands that are not a client's, and other devices, refused",
        audience: Test,
        cores: 1,
        run: invalidate,
    },
];

/// Where the parts of a stage 1 stand in the domain, one page each, and the page that they lead to.
struct Stage1 {
    domain: DomainHandle,
    /// Context descriptor; tables of levels 1, 2 and 3.
    parts: [Ram; 4],
    at: Iova,
}

/// The address that devices use: of level 1 the third entry, of level 2 the fifth, of level 3 the seventh.
const INPUT: u64 = 2 << 30 | 4 << 21 | 6 << 12;
/// Tables (DDI 0487, D8.3).
const TABLE: u64 = 0b11;
/// A page (DDI 0487, D8.3 and D8.4): AttrIndx 0, AP 0b01, inner shareable, AF, nG, never executed.
const LEAF: u64 = 0b11 | 1 << 6 | 3 << 8 | 1 << 10 | 1 << 11 | 3 << 53;
/// Word 0 of a context descriptor (IHI 0070, 5.4): 39 bits, 4 KiB, walks write-back and inner shareable, no upper half, valid, 44 bits
/// of output, `VMSAv8-64`, faults recorded and aborted, ASID 5.
const CONTEXT: u64 =
    25 | 1 << 8 | 1 << 10 | 3 << 12 | 1 << 30 | 1 << 31 | 4 << 32 | 1 << 41 | 1 << 45 | 1 << 46 | 5 << 48;
/// MAIR: attributes 0 are normal memory, write-back.
const MAIR: u64 = 0xff;

impl Stage1 {
    /// Maps the parts for reading, and leads an address of the device's to one that the domain translates.
    fn new(world: &mut World, leads_to: Iova) -> Result<Self, Failure> {
        let domain = world.domain()?;
        let parts = [1, 2, 3, 4].map(|index| world.page(index));
        let at = world.iova(0x100_0000);
        for (place, part) in (0..).zip(&parts) {
            (0..PAGE).step_by(8).for_each(|offset| part.write(offset, &[0; 8]));
            world.map(domain, Iova(at.0 + place * PAGE), part, Protection::READ)?;
        }
        let [context, level1, level2, _] = &parts;
        let ipa = |place: u64| at.0 + place * PAGE;
        set(context, 0, CONTEXT);
        set(context, 1, ipa(1));
        set(context, 3, MAIR);
        set(level1, 2, ipa(2) | TABLE);
        set(level2, 4, ipa(3) | TABLE);
        let stage1 = Self { domain, parts, at };
        stage1.lead_to(leads_to);
        Ok(stage1)
    }

    /// Writes the leaf. The SMMU may know what was there before.
    fn lead_to(&self, ipa: Iova) {
        let [.., level3] = &self.parts;
        set(level3, 6, ipa.0 | LEAF);
    }

    fn use_it(&self, world: &mut World) -> Result<(), Failure> {
        // So that it is known that the device is to be blocked at the end.
        world.set(DeviceState::Paging(self.domain))?;
        let (smmu, sid) = (world.smmu(), world.device.stream());
        let request = Request::NestedSet { smmu, sid, domain: Some(self.domain), context: self.at };
        world.iommu.request(request)?;
        Ok(())
    }
}

fn set(page: &Ram, word: u64, value: u64) {
    page.write(8 * word, &value.to_le_bytes());
}

/// Tells whether the SMMU has both stages, as the run says. Where it has not, that is the answer to whoever asks for them.
fn has_both_stages(world: &mut World) -> Result<bool, Failure> {
    let domain = world.domain()?;
    let (smmu, sid) = (world.smmu(), world.device.stream());
    let request = Request::NestedSet { smmu, sid, domain: Some(domain), context: world.iova(0) };
    let answer = world.iommu.request(request);
    if world.has_stage_1_alone() {
        return refused("a stage 1 in front of a domain", answer, Status::NotSupported).map(|()| false);
    }
    answer?;
    world.set(DeviceState::Blocked)?;
    Ok(true)
}

fn nested(world: &mut World) -> Outcome {
    if !has_both_stages(world)? {
        return seen!("the SMMU has one stage: NOT_SUPPORTED");
    }
    let (page, ipa, input) = (world.page(0), world.iova(0x200_0000), Iova(INPUT));
    let stage1 = Stage1::new(world, ipa)?;
    let domain = stage1.domain;
    let pattern = world.load()?;
    stage1.use_it(world)?;
    world.say(format_args!(
        "   The tables of this program lead to an address that its domain has not yet, then it has."
    ));
    require("not mapped", world.put(&pattern, input, &page)?, Arrival::Nothing)?;
    world.map(domain, ipa, &page, READ_WRITE)?;
    let through = world.put(&pattern, input, &page)?;
    require("mapped", through, Arrival::All)?;
    require("by the domain's own address", world.put(&pattern, ipa, &page)?, Arrival::Nothing)?;
    world.iommu.unmap(domain, ipa, PAGE)?;
    let after = world.put(&pattern, input, &page)?;
    require("unmapped, with both stages cached", after, Arrival::Nothing)?;
    world.map(domain, ipa, &page, READ_WRITE)?;
    require("mapped again", world.put(&pattern, input, &page)?, Arrival::All)?;
    // The tables may say what they like: the page's own address, the pool, the SMMU.
    let places = [page.address().0, platform::POOL.0, platform::SMMU_FRAME.0];
    for place in places {
        stage1.lead_to(Iova(place));
        forget(world, world.device.stream(), [0x10, 0])?;
        require("a physical address", world.put(&pattern, input, &page)?, Arrival::Nothing)?;
    }
    world.set(DeviceState::Blocked)?;
    seen!("through both stages: {through}; unmapped: {after}; {} physical addresses: nothing", places.len())
}

fn forget(world: &World, sid: StreamId, command: [u64; 2]) -> Result<(), nwd::iommu::IommuError> {
    let smmu = world.smmu();
    world.iommu.request(Request::NestedInvalidate { smmu, sid, command }).map(|_| ())
}

fn invalidate(world: &mut World) -> Outcome {
    if !has_both_stages(world)? {
        return seen!("the SMMU has one stage: NOT_SUPPORTED");
    }
    let (one, other, input) = (world.page(0), world.page(5), Iova(INPUT));
    let (first, second) = (world.iova(0x200_0000), world.iova(0x200_1000));
    let stage1 = Stage1::new(world, first)?;
    world.map(stage1.domain, first, &one, READ_WRITE)?;
    world.map(stage1.domain, second, &other, READ_WRITE)?;
    let sid = world.device.stream();
    refused("before it is nested", forget(world, sid, [0x10, 0]), Status::Denied)?;
    let pattern = world.load()?;
    stage1.use_it(world)?;
    require("the first page", world.put(&pattern, input, &one)?, Arrival::All)?;
    // CMD_TLBI_NH_VA, NH_ASID, NH_VAA, NH_ALL and CFGI_CD, with a VMID and a stream of somebody else's.
    let commands = [
        [0x12 | 99 << 32 | 5 << 48, INPUT | 1],
        [0x11 | 99 << 32 | 5 << 48, 0],
        [0x13 | 99 << 32, INPUT],
        [0x10 | 99 << 32, 0],
    ];
    for (command, (page, ipa)) in
        commands.into_iter().zip([(&other, second), (&one, first)].into_iter().cycle())
    {
        stage1.lead_to(ipa);
        forget(world, sid, command)?;
        require("the new page", world.put(&pattern, input, page)?, Arrival::All)?;
    }
    let [context, ..] = &stage1.parts;
    set(context, 0, 0);
    forget(world, sid, [0x05 | 99 << 32, 1])?;
    let gone = world.put(&pattern, input, &one)?;
    require("no descriptor", gone, Arrival::Nothing)?;
    let mut count = 0;
    for command in [
        [0x46, 0],
        [0x2046, one.address().0],
        [0x01, 0],
        [0x44, 0],
        [0x30, 0],
        [0x28, 0],
        [0x03, 1],
        [0x04, 31],
    ] {
        refused("a command", forget(world, sid, command), Status::NotSupported)?;
        count += 1;
    }
    let others = StreamId(platform::OUTSIDE_STREAM_ID);
    refused("another device", forget(world, others, [0x10, 0]), Status::Denied)?;
    world.set(DeviceState::Blocked)?;
    ensure!(forget(world, sid, [0x10, 0]).is_err(), "a blocked device's stage 1 was forgotten");
    seen!("{} commands took effect, {count} refused; without descriptor: {gone}", commands.len() + 1)
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests that are wrong: each gets its status, and the service lives on.

use crate::{
    ensure, platform,
    scenario::{
        Audience::{Everyone, Test},
        Failure, Outcome, Scenario, refused,
    },
    seen,
    world::{Arrival, PAGE, READ_WRITE, World, require},
};
use arm_ffa::FfaError;
use ffa_abi::{DomainHandle, Iova, PhysAddr, Registers, Request, Response, ServiceId, Status, extend};
use nwd::ffa::CallError;
use nwd::iommu::IommuError;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "bad-ranges",
        claim: "Mappings of wrong size, alignment or place are refused, each with its own reason",
        expected: "misaligned, out of range, already mapped, not mapped; a correct one works after each",
        audience: Everyone,
        cores: 1,
        run: bad_ranges,
    },
    Scenario {
        name: "bad-messages",
        claim: "Messages that mean nothing are refused, and the service lives on",
        expected: "not supported for unknown operations and kinds, invalid parameters for reserved bits",
        audience: Everyone,
        cores: 1,
        run: bad_messages,
    },
    Scenario {
        name: "long-messages",
        claim: "By FFA_MSG_SEND_DIRECT_REQ2 the service does what it does by FFA_MSG_SEND_DIRECT_REQ, and no more",
        expected: "a page mapped, reached by DMA, unmapped; refused: another service's UUID, and registers that mean nothing",
        audience: Test,
        cores: 1,
        run: long_messages,
    },
    Scenario {
        name: "random-messages",
        claim: "Random messages get an answer of the protocol, and the service lives on",
        expected: "2,000 answers, each with a status of the protocol; a transfer works afterwards",
        audience: Test,
        cores: 1,
        run: random_messages,
    },
];

/// Shows that the service still does its work.
fn works(world: &mut World, domain: DomainHandle) -> Result<(), Failure> {
    let (page, iova) = (world.page(0), world.iova(0x2_2000));
    world.map(domain, iova, &page, READ_WRITE)?;
    let pattern = world.load()?;
    require("a correct request", world.put(&pattern, iova, &page)?, Arrival::All)?;
    world.iommu.unmap(domain, iova, PAGE)?;
    Ok(())
}

pub(crate) fn bad_ranges(world: &mut World) -> Outcome {
    let domain = world.attached_domain()?;
    let page = world.page(0);
    let (pa, iova) = (page.address().0, world.iova(0x2_0000).0);
    let end = platform::DEVICE.iova_base + platform::DEVICE.iova_size;
    works(world, domain)?;
    let maps: &[(&str, u64, u64, u64, Status)] = &[
        ("an odd IOVA", iova + 1, pa, PAGE, Status::Misaligned),
        ("an odd address", iova, pa + 0x800, PAGE, Status::Misaligned),
        ("half a page", iova, pa, PAGE / 2, Status::Misaligned),
        ("a page and a byte", iova, pa, PAGE + 1, Status::Misaligned),
        ("nothing", iova, pa, 0, Status::OutOfRange),
        ("the end of the domain", end - PAGE, pa, 2 * PAGE, Status::OutOfRange),
        ("far beyond it", 1 << 62, pa, PAGE, Status::OutOfRange),
        ("an IOVA that wraps", 0xffff_ffff_ffff_f000, pa, 2 * PAGE, Status::OutOfRange),
        ("an address that wraps", iova, 0xffff_ffff_ffff_f000, 2 * PAGE, Status::OutOfRange),
        ("a size that wraps", iova, pa, 0xffff_ffff_ffff_f000, Status::OutOfRange),
    ];
    for &(what, iova, pa, size, status) in maps {
        refused(what, world.iommu.map(domain, Iova(iova), PhysAddr(pa), size, READ_WRITE), status)?;
        let unmapped = world.iommu.unmap(domain, Iova(iova), size);
        if pa == page.address().0 {
            refused(what, unmapped, status)?;
        }
    }
    refused("a lookup of nothing", world.iommu.lookup(domain, Iova(iova)), Status::NotMapped)?;
    world.map(domain, Iova(iova), &page, READ_WRITE)?;
    refused("mapping twice", world.map(domain, Iova(iova), &page, READ_WRITE), Status::AlreadyMapped)?;
    world.iommu.unmap(domain, Iova(iova), PAGE)?;
    works(world, domain)?;
    seen!("{} wrong ranges, each with its status; a correct one works before and after", maps.len() + 2)
}

pub(crate) fn bad_messages(world: &mut World) -> Outcome {
    let domain = world.attached_domain()?;
    let pa = world.page(0).address();
    let iova = world.iova(0x2_4000);
    works(world, domain)?;
    let map = Request::Map { domain, iova, pa, size: PAGE, protection: READ_WRITE }.encode();
    let alloc = Request::DomainAlloc { smmu: world.smmu(), kind: ffa_abi::DomainKind::Paging }.encode();
    let with = |mut registers: Registers, index: usize, value: u64| {
        if let Some(register) = registers.get_mut(index) {
            *register = value;
        }
        registers
    };
    // From 0x8000 on they are a hypervisor's, whose key is looked at first where there is one.
    let hypervisors = if platform::HYP_REQUIRED { Status::WrongKey } else { Status::NotSupported };
    let messages: &[(&str, Registers, Status)] = &[
        ("operation 0", [0; 5], Status::NotSupported),
        ("operation 0x7f", [0x7f, 0, 0, 0, 0], Status::NotSupported),
        ("operation 0xffff", [0xffff, !0, !0, !0, !0], hypervisors),
        ("all ones", [!0; 5], hypervisors),
        ("an unknown kind of domain", with(alloc, 1, 77), Status::NotSupported),
        ("no access at all", with(map, 4, 0), Status::InvalidParameters),
        ("an unknown access", with(map, 4, 0x80), Status::InvalidParameters),
        (
            "a reserved field",
            with(map, 0, map.first().copied().unwrap_or(0) | 0x5_0000),
            Status::InvalidParameters,
        ),
        ("no handle", with(map, 0, 0x20), Status::InvalidHandle),
        ("a reserved register", [0x02, 1, 0, 0, 0], Status::InvalidParameters),
        ("another major version", [0x01, 0x7fff_0000, 0, 0, 0], Status::NotSupported),
    ];
    for (what, registers, status) in messages {
        let seen = world.iommu.raw(*registers)?.status;
        ensure!(seen == *status, "{what}: {seen:?}, not {status:?}");
    }
    works(world, domain)?;
    seen!("{} wrong messages, each with its status; a correct request works before and after", messages.len())
}

fn long_messages(world: &mut World) -> Outcome {
    let (domain, page, iova) = (world.attached_domain()?, world.page(0), world.iova(0x2_4000));
    let host = ServiceId::Host.to_registers();
    let pa = PhysAddr(page.address().0);
    let map = Request::Map { domain, iova, pa, size: PAGE, protection: READ_WRITE }.encode();
    let mapped = world.iommu.raw_extended(host, extend(map))?;
    ensure!(mapped == Response::value(PAGE), "mapped by a long message: {mapped:x?}");
    let pattern = world.load()?;
    require("mapped by a long message", world.put(&pattern, iova, &page)?, Arrival::All)?;
    for place in 5..14 {
        let mut more = extend(Request::Unmap { domain, iova, size: PAGE }.encode());
        if let Some(register) = more.get_mut(place) {
            *register = 1 << 63;
        }
        let refused = world.iommu.raw_extended(host, more)?;
        ensure!(refused == Response::status(Status::InvalidParameters), "x{}: {refused:x?}", place + 4);
    }
    // The nil UUID means any service to spm, and none to this one; spm knows that the others are none of the partition's.
    let unmap = extend(Request::Unmap { domain, iova, size: PAGE }.encode());
    let nil = world.iommu.raw_extended([0, 0], unmap)?;
    ensure!(nil == Response::status(Status::NotSupported), "the nil UUID: {nil:x?}");
    let [x2, x3] = host;
    // No hypervisor has a role here, and so no service.
    for other in [[x3, x2], [x2 ^ 1, x3], [x2, x3 ^ 1 << 63], ServiceId::Hyp.to_registers()] {
        let refused = world.iommu.raw_extended(other, unmap);
        let spm = IommuError::Call(CallError::Ffa(FfaError::InvalidParameters));
        ensure!(refused == Err(spm), "the UUID {other:x?}: {refused:x?}");
    }
    require("after all refusals", world.put(&pattern, iova, &page)?, Arrival::All)?;
    let unmapped = world.iommu.raw_extended(host, unmap)?;
    ensure!(unmapped.values == [PAGE, PAGE, 0, 0], "unmapped by a long message: {unmapped:x?}");
    require("unmapped by a long message", world.put(&pattern, iova, &page)?, Arrival::Nothing)?;
    seen!("mapped, DMA arrived, unmapped, stopped; nine registers and five UUIDs refused")
}

pub(crate) fn random_messages(world: &mut World) -> Outcome {
    const MESSAGES: u32 = 2000;
    /// All operations but the one that sets a device's state: it must stay, so that the end can be seen.
    const OPERATIONS: [u64; 10] = [0x01, 0x02, 0x03, 0x04, 0x10, 0x11, 0x20, 0x21, 0x22, 0x30];
    let domain = world.attached_domain()?;
    let memory = world.machine.scratch().address().0;
    let mut statuses = 0_u32;
    for _ in 0..MESSAGES {
        let random = world.random.word();
        let [first, second, ..] = random.to_le_bytes().map(usize::from);
        let operation = OPERATIONS.get(first % OPERATIONS.len()).copied().unwrap_or(0);
        let handle = if random & 0x1_0000 == 0 { domain.raw() } else { 0 };
        // Values that are nearly right, so that requests come past the first check.
        let small = |word: u64| word % 0x40 * PAGE;
        let [place, near, size, pick] = [(); 4].map(|()| world.random.word());
        let mut registers = [operation | u64::from(handle) << 32, world.iova(small(place)).0, 0, 0, 0];
        match operation {
            0x20 => {
                let [header, iova, ..] = registers;
                registers = [header, iova, memory + small(near), small(size), pick % 5];
            }
            0x21 => registers[2] = small(size),
            0x22 => {}
            _ => registers = [operation, near % 3, 0, 0, 0],
        }
        // Every other message has one register that means nothing.
        if random & 0x2_0000 == 0
            && let Some(register) = registers.get_mut(second % 5)
        {
            *register ^= world.random.word() >> (random >> 58);
        }
        if registers[0] & 0xffff == 0x12 {
            continue;
        }
        let response = world.iommu.raw(registers)?;
        statuses |= 1 << u32::from(response.status);
        // Domains that it made by chance are given back; the rest is the domain's.
        if registers[0] & 0xffff == 0x10 && response.status == Status::Ok {
            let made = u32::try_from(response.values[0]).ok().and_then(DomainHandle::from_raw);
            if let Some(made) = made {
                world.iommu.free(made)?;
            }
        }
    }
    world.iommu.unmap(domain, world.iova(0), 0x80 * PAGE)?;
    works(world, domain)?;
    ensure!(statuses.count_ones() >= 6, "only {} different statuses: {statuses:#x}", statuses.count_ones());
    seen!("{MESSAGES} messages, {} different statuses; a transfer works afterwards", statuses.count_ones())
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The edge of what is mapped, and what is reported beyond it.

use crate::{
    ensure,
    scenario::{Audience::Everyone, Failure, Outcome, Scenario},
    seen,
    world::{Arrival, PAGE, READ_WRITE, TRANSFER, TRANSFER_COUNT, World, describe, require},
};
use ffa_abi::{FaultKind, Iova};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "past-the-end",
        claim: "The first byte after the last mapped page is out of reach",
        expected: "the page's last bytes move; one byte further none does",
        audience: Everyone,
        cores: 1,
        run: past_the_end,
    },
    Scenario {
        name: "fault-report",
        claim: "A stopped transfer is reported: which device, which address, why",
        expected: "a translation fault of this device's stream at exactly the first byte behind the page",
        audience: Everyone,
        cores: 1,
        run: fault_report,
    },
    Scenario {
        name: "straddling",
        claim: "A transfer across the edge moves only what lies inside",
        expected: "the first half arrives, the second does not",
        audience: Everyone,
        cores: 1,
        run: straddling,
    },
];

fn past_the_end(world: &mut World) -> Outcome {
    let (page, next) = (world.page(0), world.page(1));
    let base = world.iova(0x9000);
    let domain = world.attached_domain()?;
    world.map(domain, base, &page, READ_WRITE)?;
    world.say(format_args!("   One page is mapped. The page behind it in memory is not."));
    let pattern = world.load()?;
    let tail = page.part(PAGE - TRANSFER as u64, TRANSFER as u64);
    let last = Iova(base.0 + PAGE - TRANSFER as u64);
    require("the page's last bytes", world.put(&pattern, last, &tail)?, Arrival::All)?;
    let beyond = world.put(&pattern, Iova(base.0 + PAGE), &next)?;
    require("the bytes behind it", beyond, Arrival::Nothing)?;
    require("reading there", world.get(Iova(base.0 + PAGE), &next)?, Arrival::Nothing)?;
    seen!("up to the last byte: all bytes arrived; behind it: {beyond}")
}

fn fault_report(world: &mut World) -> Outcome {
    let (page, next) = (world.page(0), world.page(1));
    let base = world.iova(0xc000);
    let edge = Iova(base.0 + PAGE);
    let domain = world.attached_domain()?;
    world.map(domain, base, &page, READ_WRITE)?;
    let pattern = world.load()?;
    world.drain_faults()?;
    require("inside", world.put(&pattern, base, &page)?, Arrival::All)?;
    let none = world.fault_of(world.device.stream())?;
    ensure!(none.is_none(), "an allowed transfer was reported");
    for write in [true, false] {
        if write {
            require("beyond", world.put(&pattern, edge, &next)?, Arrival::Nothing)?;
        } else {
            world.device.read_ram(edge, 0, TRANSFER_COUNT)?;
        }
        let Some(fault) = world.fault_of(world.device.stream())? else {
            return Err(Failure::new(format_args!("nothing was reported")));
        };
        ensure!(
            fault.kind == FaultKind::Translation
                && fault.iova == edge
                && fault.write == write
                && fault.smmu == world.smmu(),
            "{}, wanted IOVA {:#x}",
            describe(&fault),
            edge.0
        );
        world.drain_faults()?;
    }
    seen!(
        "translation faults, stream {:#x}, IOVA {:#x}, read and write told apart",
        world.device.stream().0,
        edge.0
    )
}

fn straddling(world: &mut World) -> Outcome {
    let half = TRANSFER as u64 / 2;
    let (page, next) = (world.page(0), world.page(1));
    let base = world.iova(0xf000);
    let domain = world.attached_domain()?;
    world.map(domain, base, &page, READ_WRITE)?;
    let pattern = world.load()?;
    let both = world.machine.scratch().part(page.address().0 - world.machine.scratch().address().0, 2 * PAGE);
    let window = both.part(PAGE - half, TRANSFER as u64);
    let start = Iova(base.0 + PAGE - half);
    let stopped = world.put(&pattern, start, &window)?;
    let mut bytes = [0; TRANSFER];
    window.read(0, &mut bytes);
    ensure!(
        bytes.get(..TRANSFER / 2) == pattern.get(..TRANSFER / 2),
        "the first half did not arrive: {stopped}"
    );
    ensure!(bytes.get(TRANSFER / 2..) != pattern.get(TRANSFER / 2..), "the second half arrived too");
    let outside = bytes.iter().zip(&pattern).skip(TRANSFER / 2).filter(|(a, b)| a == b).count();
    // By chance one random byte in 256 is the other's.
    ensure!(outside < 8, "{outside} bytes arrived outside");
    world.map(domain, Iova(base.0 + PAGE), &next, READ_WRITE)?;
    require("with both pages mapped", world.put(&pattern, start, &window)?, Arrival::All)?;
    seen!("{half} bytes arrived, the {half} behind the page did not; all with both pages mapped")
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is shown and tested on QEMU: BL33, a client of the iommu service at NS-EL2.
//!
//! One claim is one [`scenario`]; `dma` has those about the service, `hyp` those
//! about its other client, `attack` what a hostile host tries above a hypervisor, `firmware` those about what it stands on, `bench`
//! counts instructions. What is to be done stands in the run's mailbox, what came of it in the lines of [`report`].
#![no_std]
#![no_main]
#![expect(clippy::result_large_err, reason = "a failure is its text; there is no heap, and no hot path")]

mod attack;
mod bench;
mod contention;
mod crash;
mod dma;
mod el3;
mod firmware;
mod hyp;
mod many_cores;
mod platform;
mod poison;
mod report;
mod restart;
mod scenario;
mod smmu;
mod start;
mod together;
mod variant;
mod world;

use nwd::{fatal, mailbox::Mode, main, power_off};
use scenario::{Audience, Scenario, run_all};
use world::World;

main!(run);

fn run() -> ! {
    let (machine, mailbox) = start::start();
    let world = || start::world(machine, mailbox);
    match mailbox.mode {
        Mode::Demo | Mode::Test => scenarios(&mut world()),
        Mode::Bench => bench::run(&mut world()),
        Mode::Boot => bench::boot(),
        Mode::Crash => crash::run(&world()),
        Mode::Variant => only(&mut world(), &[variant::SCENARIOS]),
        Mode::Contention => only(&mut world(), &[contention::scenarios(mailbox.flags)]),
        Mode::Restart => only(&mut world(), &[restart::SCENARIOS]),
        Mode::Hyp => only(&mut world(), hyp::SCENARIOS),
        Mode::Attack => attack::run(&mut world()),
        Mode::ManyCores => only(&mut world(), &[many_cores::SCENARIOS]),
    }
    report::end();
    power_off()
}

fn only(world: &mut World, scenarios: &[&'static [Scenario]]) {
    el3::say_deviations(scenarios.iter().flat_map(|some| some.iter()));
    let cores = world.mailbox.cores;
    let wanted = |scenario: &&Scenario| scenario.cores <= cores && el3::holds(scenario);
    let all = || scenarios.iter().flat_map(|some| some.iter()).filter(wanted);
    report::plan(all().count());
    run_all(world, all());
}

fn scenarios(world: &mut World) {
    let (mode, cores) = (world.mailbox.mode, world.mailbox.cores);
    let wanted = |scenario: &&Scenario| {
        (scenario.audience == Audience::Everyone || mode == Mode::Test)
            && scenario.cores <= cores
            && el3::holds(scenario)
    };
    if el3::is_manager() {
        el3::say_deviations(el3::scenarios());
        report::plan(el3::scenarios().filter(wanted).count());
        return run_all(world, el3::scenarios().filter(wanted));
    }
    let all = || {
        dma::SCENARIOS
            .iter()
            .chain(firmware::SCENARIOS)
            .chain(firmware::LAST)
            .flat_map(|scenarios| scenarios.iter())
            .filter(wanted)
    };
    report::plan(all().count());
    run_all(world, all());
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    fatal(format_args!("{info}"))
}

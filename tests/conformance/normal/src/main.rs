// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Runs the conformance suite at NS-EL2 and reports each case, in the lines that xtask reads (its `contract` module).
//!
//! The cases are in the crate `conformance`; which version the normal world speaks stands in the run's mailbox.
#![no_std]
#![no_main]

mod host;
mod platform;
#[path = "../../partition/src/vectors.rs"]
mod vectors;

use arm_ffa::Version;
use conformance::case::{Case, Instance, Spmc, World};
use conformance::deviation::deviation;
use conformance::endpoint::{PAGE, PAGES};
use conformance::outcome::{Failure, Outcome};
use conformance::suite::{Setting, run};
use host::Host;
use nwd::random::Random;
use nwd::{fatal, log, main, power_off};

main!(conformance);

fn conformance() -> ! {
    let machine = platform::start();
    let Some(mailbox) = machine.mailbox() else { fatal(format_args!("nobody left a mailbox for this run")) };
    // What the run asks for: the version that is spoken in the lower half, the SPMC above.
    let Ok(minor) = u16::try_from(mailbox.flags & 0xffff) else { fatal(format_args!("no version")) };
    let spmc = if mailbox.flags >> 16 == 0 { Spmc::Spm } else { Spmc::El3 };
    let instance = Instance { world: World::Normal, version: Version(1, minor) };
    let setting = Setting { spmc, normal: instance, cores: mailbox.cores };
    log!("{}: {}, seed {:#x}, {} cores", platform::PLATFORM, instance.name(), mailbox.seed, mailbox.cores);
    let mut host = Host {
        spmc,
        instance,
        memory: machine.scratch().part(0, PAGE * PAGES),
        random: Random::new(mailbox.seed),
        machine,
        core: 0,
        cores: usize::try_from(mailbox.cores).unwrap_or(1),
        number: 0,
    };
    log!("@plan\t{}", setting.plan().count());
    for (number, case, at) in setting.plan() {
        host.number = number;
        report(spmc, case, at, run(&mut host, number, case, at));
    }
    log!("@end");
    power_off()
}

/// Reports one case at one instance as a claim. One that is known to deviate has to.
fn report(spmc: Spmc, case: &Case, at: Instance, outcome: Outcome) {
    let (interface, name, cites) = (case.interface.name(), case.name, case.cites);
    let known = deviation(spmc, case, at);
    let mark = if outcome.is_ok() == known.is_none() { "ok" } else { "FAIL" };
    let at = at.name();
    let start = format_args!("@claim\t{interface}/{name}@{at}\t{interface}, {name} ({at})\tas in {cites}");
    match (outcome, known) {
        (Ok(()), None) => log!("{start}\tas specified\t{mark}"),
        (Ok(()), Some(_)) => log!("{start}\tas specified, against what is known\t{mark}"),
        (Err(_), Some(_)) => log!("{start}\tdeviates as is known\t{mark}"),
        (Err(Failure { line, seen: [a, b, c] }), None) => {
            log!("{start}\tline {line}: {a:#x} {b:#x} {c:#x}\t{mark}");
        }
    }
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    fatal(format_args!("{info}"))
}

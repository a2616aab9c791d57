// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers that both worlds use: each side fills its own with a pattern, and finds it again.

use super::{command, messages::test_sp};
use crate::{
    ensure,
    poison::{self, Class},
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::World,
};
use nwd::ffa;

macro_rules! scenario {
    ($name:literal, $claim:literal, $class:expr) => {
        Scenario {
            name: $name,
            claim: $claim,
            expected: "three patterns on either side: nothing of one side's is changed by the other",
            audience: Test,
            cores: 1,
            run: |world| both_sides(world, $class),
        }
    };
}

pub(super) const SCENARIOS: &[Scenario] = &[
    scenario!("context-system", "EL1's system registers stay each world's own", Class::System),
    scenario!(
        "context-vectors",
        "FP, SIMD and SVE registers stay each world's own, at their full length",
        Class::Vectors
    ),
    scenario!("context-timers", "EL1's timers stay each world's own", Class::Timers),
    scenario!("context-keys", "Pointer authentication keys stay each world's own", Class::Keys),
    scenario!("context-streaming", "SME's streaming mode and ZA survive a message", Class::Streaming),
];

fn both_sides(world: &mut World, class: Class) -> Outcome {
    let to = test_sp(world)?;
    let mask = class.partition_mask();
    let mut count = 0;
    for _ in 0..3 {
        let ours = world.random.word();
        let theirs = world.random.word();
        let Some(filled) = poison::fill(class, ours) else {
            // What a core does not have cannot leak; it has to be said, since a machine with it was asked for.
            return Err(Failure::new(format_args!("this core has no such registers")));
        };
        count = filled;
        let answer = ffa::direct(to, [command::POISON, mask, theirs, 0, 0]);
        let changed = poison::changed(class, ours);
        let [done, missing, ..] = answer?;
        if done != mask || missing != 0 {
            poison::clear(class);
            return Err(Failure::new(format_args!(
                "the partition filled {done:#x} of {mask:#x}, has not {missing:#x}"
            )));
        }
        if let Some(register) = changed {
            poison::clear(class);
            return Err(Failure::new(format_args!("{register} changed while the partition filled its own")));
        }
        let [differing, ..] = ffa::direct(to, [command::CHECK, mask, theirs, 0, 0])?;
        let changed = poison::changed(class, ours);
        poison::clear(class);
        ensure!(differing == 0, "the partition's own changed: classes {differing:#x}");
        if let Some(register) = changed {
            return Err(Failure::new(format_args!("{register} changed while the partition checked its own")));
        }
    }
    seen!("{count} registers or rows of ours, and the partition's own, unchanged")
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random calls of all endpoints, with spm and with the model beside each other.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::model::{ENDPOINTS, Model, PARTITIONS};
use super::*;

#[derive(Clone, Debug)]
enum Step {
    Change { by: u16, sender: u16, receiver: u16, bitmap: u64, binds: Option<bool> },
    Set { by: u16, sender: u16, receiver: u16, bitmap: u64, vcpu: Option<u16> },
    Get { by: u16, receiver: u16, vcpu: u16, flags: u64 },
    Fill { sender: u16, receiver: u16 },
    Info,
    Create(u16),
    Destroy(u16),
    Stop(u16),
}

fn steps() -> impl Strategy<Value = Step> {
    let id = || prop::sample::select(ENDPOINTS.to_vec());
    // Few notifications, so that calls meet.
    let bitmap = || prop_oneof![8 => 0..8_u64, 1 => (0..8_u64).prop_map(|bits| bits << 61)];
    // Mostly a few pairs, so that calls meet, and mostly those who may.
    let pair = || {
        let few = vec![(ONE, MANY), (0, MANY), (MANY, 0), (VM, ONE), (ONE, VM)];
        prop_oneof![3 => prop::sample::select(few), 1 => (id(), id())]
    };
    let parties = |speaker: fn(u16, u16) -> u16| {
        (pair(), id(), 0..8).prop_map(move |((sender, receiver), any, chance)| {
            (if chance == 0 { any } else { speaker(sender, receiver) }, sender, receiver)
        })
    };
    prop_oneof![
        8 => (parties(|_, receiver| receiver), bitmap(), prop::option::weighted(0.7, any::<bool>())).prop_map(
            |((by, sender, receiver), bitmap, binds)| Step::Change { by, sender, receiver, bitmap, binds }
        ),
        8 => (parties(|sender, _| sender), bitmap(), prop::option::of(0..9_u16)).prop_map(
            |((by, sender, receiver), bitmap, vcpu)| Step::Set { by, sender, receiver, bitmap, vcpu }
        ),
        4 => (parties(|_, receiver| receiver), 0..9_u16, 0..16_u64)
            .prop_map(|((by, _, receiver), vcpu, flags)| Step::Get { by, receiver, vcpu, flags }),
        1 => (prop::sample::select(vec![ONE, MANY, DEAF, 0, VM]), id())
            .prop_map(|(sender, receiver)| Step::Fill { sender, receiver }),
        2 => Just(Step::Info),
        1 => id().prop_map(Step::Create),
        1 => id().prop_map(Step::Destroy),
        1 => prop::sample::select(PARTITIONS.to_vec()).prop_map(Step::Stop),
    ]
}

/// Does one step with both; what they say must be the same.
fn same(world: &World, model: &mut Model, step: &Step) -> Result<(), TestCaseError> {
    match *step {
        Step::Change { by, sender, receiver, bitmap, binds } => {
            let (function, flags) = binds.map_or((UNBIND, 0), |per_vcpu| (BIND, u64::from(per_vcpu)));
            let (result, _) = world.call(by, &about(function, sender, receiver, flags, bitmap));
            let expected = if by == DEAF && receiver == DEAF && bitmap != 0 && sender != DEAF {
                Err(FfaError::NotSupported)
            } else {
                model.change(by, sender, receiver, bitmap, binds)
            };
            prop_assert_eq!(result.map(|_| ()), expected);
        }
        Step::Set { by, sender, receiver, bitmap, vcpu } => {
            let flags = vcpu.map_or(0, |vcpu| u64::from(vcpu) << 16 | 1);
            let (result, _) = world.call(by, &about(SET, sender, receiver, flags, bitmap));
            let interrupts = result.map(|effects| effects.schedule_receiver.is_some());
            prop_assert_eq!(interrupts, model.set(by, sender, receiver, bitmap, vcpu));
        }
        Step::Get { by, receiver, vcpu, flags } => {
            let who = u64::from(vcpu) << 16 | u64::from(receiver);
            let (result, registers) = world.call(by, &[GET, who, flags]);
            let got = result.map(|_| {
                let [_, _, p0, p1, v0, v1, spmc, hypervisor, ..] = registers;
                [p1 << 32 | p0, v1 << 32 | v0, spmc, hypervisor]
            });
            prop_assert_eq!(got, model.get(by, receiver, vcpu, flags));
        }
        Step::Fill { sender, receiver } => {
            let effects =
                world.receivers().set_buffer_full(EndpointId(sender), EndpointId(receiver), false, core(0));
            prop_assert_eq!(effects.schedule_receiver.is_some(), model.fill(sender, receiver));
        }
        Step::Info => {
            let mut told = BTreeMap::<u16, BTreeSet<u16>>::new();
            loop {
                let (result, registers) = world.call(0, &[INFO_GET_64]);
                if result == Err(FfaError::NoData) {
                    break;
                }
                let ids = registers[3..8].iter().flat_map(|register| register.to_le_bytes());
                let ids: std::vec::Vec<u8> = ids.collect();
                let mut ids = ids.as_chunks().0.iter().map(|id| u16::from_le_bytes(*id));
                for list in 0..registers[2] >> 7 & 0x1f {
                    let vcpus = told.entry(ids.next().unwrap()).or_default();
                    for vcpu in
                        ids.by_ref().take(usize::try_from(registers[2] >> (12 + 2 * list) & 3).unwrap())
                    {
                        prop_assert!(vcpus.insert(vcpu), "no vCPU is told of twice");
                    }
                }
                if registers[2] & 1 == 0 {
                    break;
                }
            }
            prop_assert_eq!(told, model.info());
        }
        Step::Create(id) => {
            let (result, _) = world.call(0, &[BITMAP_CREATE, u64::from(id), 8]);
            prop_assert_eq!(result.map(|_| ()), model.create(id));
        }
        Step::Destroy(id) => {
            let (result, _) = world.call(0, &[BITMAP_DESTROY, u64::from(id)]);
            prop_assert_eq!(result.map(|_| ()), model.destroy(id));
        }
        Step::Stop(id) => {
            let stopped = world.partitions.iter().find(|partition| partition.id().0 == id).unwrap();
            stopped.abort();
            world.receivers().forget(stopped);
            model.stop(id);
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn a_refused_call_changes_nothing(
        function in 0x8400_007d_u64..0x8400_0085,
        wide: bool,
        by in prop::sample::select(ENDPOINTS.to_vec()),
        ids in prop::option::of(any::<u64>()),
        flags in prop_oneof![Just(0_u64), any::<u64>()],
        rest: [u64; 5],
    ) {
        let world = World::new();
        world.bind(ONE, MANY, 1).unwrap();
        _ = world.set(ONE, MANY, 1).unwrap();
        let function = if wide { function | 1 << 30 } else { function };
        let ids = ids.unwrap_or(u64::from(by) << 16 | u64::from(MANY));
        let call = [&[function, ids, flags], &rest[..]].concat();
        let (result, registers) = world.call(by, &call);
        if result.is_err() {
            prop_assert_eq!(&registers[..8], &call[..]);
            prop_assert_eq!(world.get(MANY), [1, 0, 0, 0]);
        } else {
            prop_assert_eq!(registers[1], 0);
        }
    }

    #[test]
    fn all_calls_do_what_the_model_says(steps in prop::collection::vec(steps(), 1..80)) {
        let world = World::new();
        world.ok(0, &[BITMAP_DESTROY, u64::from(VM)]);
        let mut model = Model::new(&[0]);
        for step in &steps {
            same(&world, &mut model, step)?;
        }
    }
}

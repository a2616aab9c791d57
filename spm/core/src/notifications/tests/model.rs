// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Random calls of all endpoints against a model that keeps each notification by itself, in the words of §10.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;

/// A receiver, whether its bitmap is that of partitions, and the notification's number.
type Doorbell = (u16, bool, u32);
/// As `Doorbell`, but none that somebody binds: whether it is spm's bitmap.
type Framework = (u16, bool);

#[derive(Debug, Default)]
struct Model {
    bitmaps: BTreeSet<u16>,
    stopped: BTreeSet<u16>,
    bound: BTreeMap<Doorbell, u16>,
    pending: BTreeSet<Doorbell>,
    full: BTreeSet<Framework>,
    /// What the scheduler knows of.
    told: BTreeSet<Doorbell>,
    told_full: BTreeSet<Framework>,
}

const PARTITIONS: [u16; 3] = [ONE, MANY, DEAF];
const ENDPOINTS: [u16; 8] = [ONE, MANY, DEAF, NOBODY, 0, VM, OTHER_VM, 0x8000];

const fn is_secure(id: u16) -> bool {
    id >= 0x8000
}

fn bits(bitmap: u64) -> impl Iterator<Item = u32> {
    (0..64).filter(move |bit| bitmap >> bit & 1 != 0)
}

impl Model {
    /// Whether `by`, or the normal world in its place, and `other` may exchange notifications that spm keeps.
    fn addressed(by: u16, own: u16, other: u16) -> bool {
        let speaks = if is_secure(by) { by == own } else { !is_secure(own) };
        speaks && own != other && (is_secure(own) || is_secure(other))
    }

    fn receives(&self, id: u16, without: FfaError) -> Result<(), FfaError> {
        match id {
            DEAF => Err(without),
            ONE | MANY if self.stopped.contains(&id) => Err(FfaError::Aborted),
            ONE | MANY => Ok(()),
            _ if self.bitmaps.contains(&id) => Ok(()),
            0 => Err(without),
            _ => Err(FfaError::InvalidParameters),
        }
    }

    fn change(
        &mut self,
        by: u16,
        sender: u16,
        receiver: u16,
        bitmap: u64,
        binds: bool,
    ) -> Result<(), FfaError> {
        if !Self::addressed(by, receiver, sender) || bitmap == 0 {
            return Err(FfaError::InvalidParameters);
        }
        self.receives(receiver, FfaError::NotSupported)?;
        if is_secure(sender) {
            if !PARTITIONS.contains(&sender) {
                return Err(FfaError::InvalidParameters);
            }
            if self.stopped.contains(&sender) {
                return Err(FfaError::Aborted);
            }
        }
        for bit in bits(bitmap) {
            let doorbell = (receiver, is_secure(sender), bit);
            let others = self.bound.get(&doorbell).is_some_and(|bound| *bound != sender);
            if others || self.pending.contains(&doorbell) {
                return Err(FfaError::Denied);
            }
        }
        for bit in bits(bitmap) {
            let doorbell = (receiver, is_secure(sender), bit);
            if binds {
                self.bound.insert(doorbell, sender);
            } else {
                self.bound.remove(&doorbell);
            }
        }
        Ok(())
    }

    /// Returns whether the scheduler is to be interrupted.
    fn set(&mut self, by: u16, sender: u16, receiver: u16, bitmap: u64) -> Result<bool, FfaError> {
        if !Self::addressed(by, sender, receiver) || bitmap == 0 {
            return Err(FfaError::InvalidParameters);
        }
        if is_secure(receiver) && !PARTITIONS.contains(&receiver) {
            return Err(FfaError::InvalidParameters);
        }
        self.receives(receiver, FfaError::Denied)?;
        let doorbells: std::vec::Vec<_> =
            bits(bitmap).map(|bit| (receiver, is_secure(sender), bit)).collect();
        if doorbells.iter().any(|doorbell| self.bound.get(doorbell) != Some(&sender)) {
            return Err(FfaError::Denied);
        }
        self.pending.extend(doorbells);
        Ok(self.has_news(receiver))
    }

    fn has_news(&self, receiver: u16) -> bool {
        let mut news = self.pending.difference(&self.told).map(|doorbell| doorbell.0);
        let mut full = self.full.difference(&self.told_full).map(|full| full.0);
        news.any(|id| id == receiver) || full.any(|id| id == receiver)
    }

    fn get(&mut self, by: u16, receiver: u16, flags: u64) -> Result<[u64; 4], FfaError> {
        let speaks = if is_secure(by) { by == receiver } else { !is_secure(receiver) };
        if !speaks {
            return Err(FfaError::InvalidParameters);
        }
        self.receives(receiver, FfaError::NotSupported)?;
        let mut got = [0; 4];
        for (kind, from_partitions) in [(0, true), (1, false)] {
            if flags >> kind & 1 != 0 {
                for bit in 0..64 {
                    let doorbell = (receiver, from_partitions, bit);
                    if self.pending.remove(&doorbell) {
                        self.told.remove(&doorbell);
                        got[kind] |= 1 << bit;
                    }
                }
            }
            if flags >> (kind + 2) & 1 != 0 && self.full.remove(&(receiver, from_partitions)) {
                self.told_full.remove(&(receiver, from_partitions));
                got[kind + 2] = 1;
            }
        }
        Ok(got)
    }

    fn fill(&mut self, sender: u16, receiver: u16) -> bool {
        let takes = self.receives(receiver, FfaError::NotSupported).is_ok();
        takes && {
            self.full.insert((receiver, is_secure(sender)));
            self.has_news(receiver)
        }
    }

    fn info(&mut self) -> BTreeSet<u16> {
        let ids = self.bitmaps.iter().chain(&PARTITIONS).copied();
        let news = ids.filter(|id| self.has_news(*id)).collect();
        self.told = self.pending.clone();
        self.told_full = self.full.clone();
        news
    }

    fn destroy(&mut self, id: u16) -> Result<(), FfaError> {
        if is_secure(id) {
            return Err(FfaError::InvalidParameters);
        }
        let pending = self.pending.iter().any(|doorbell| doorbell.0 == id);
        if pending || self.full.iter().any(|full| full.0 == id) || !self.bitmaps.remove(&id) {
            return Err(FfaError::Denied);
        }
        self.bound.retain(|doorbell, _| doorbell.0 != id);
        Ok(())
    }

    fn stop(&mut self, id: u16) {
        self.stopped.insert(id);
        let gone: BTreeSet<_> =
            self.bound.iter().filter(|(at, by)| at.0 == id || **by == id).map(|(at, _)| *at).collect();
        self.bound.retain(|doorbell, _| !gone.contains(doorbell));
        self.pending.retain(|doorbell| !gone.contains(doorbell));
        self.told.retain(|doorbell| !gone.contains(doorbell));
        self.full.retain(|full| full.0 != id);
        self.told_full.retain(|full| full.0 != id);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Change { by: u16, sender: u16, receiver: u16, bitmap: u64, binds: bool },
    Set { by: u16, sender: u16, receiver: u16, bitmap: u64 },
    Get { by: u16, receiver: u16, flags: u64 },
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
    // Mostly those who may.
    let parties = |speaker: fn(u16, u16) -> u16| {
        (id(), id(), id(), 0..8).prop_map(move |(sender, receiver, any, chance)| {
            (if chance == 0 { any } else { speaker(sender, receiver) }, sender, receiver)
        })
    };
    prop_oneof![
        8 => (parties(|_, receiver| receiver), bitmap(), prop::bool::weighted(0.7)).prop_map(
            |((by, sender, receiver), bitmap, binds)| Step::Change { by, sender, receiver, bitmap, binds }
        ),
        8 => (parties(|sender, _| sender), bitmap())
            .prop_map(|((by, sender, receiver), bitmap)| Step::Set { by, sender, receiver, bitmap }),
        4 => (parties(|_, receiver| receiver), 0..16_u64)
            .prop_map(|((by, _, receiver), flags)| Step::Get { by, receiver, flags }),
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
            let function = if binds { BIND } else { UNBIND };
            let (result, _) = world.call(by, &about(function, sender, receiver, 0, bitmap));
            let expected = if by == DEAF && receiver == DEAF && bitmap != 0 && sender != DEAF {
                Err(FfaError::NotSupported)
            } else {
                model.change(by, sender, receiver, bitmap, binds)
            };
            prop_assert_eq!(result.map(|_| ()), expected);
        }
        Step::Set { by, sender, receiver, bitmap } => {
            let (result, _) = world.call(by, &about(SET, sender, receiver, 0, bitmap));
            let interrupts = result.map(|effects| effects.schedule_receiver.is_some());
            prop_assert_eq!(interrupts, model.set(by, sender, receiver, bitmap));
        }
        Step::Get { by, receiver, flags } => {
            let (result, registers) = world.call(by, &[GET, u64::from(receiver), flags]);
            let got = result.map(|_| {
                let [_, _, p0, p1, v0, v1, spmc, hypervisor, ..] = registers;
                [p1 << 32 | p0, v1 << 32 | v0, spmc, hypervisor]
            });
            prop_assert_eq!(got, model.get(by, receiver, flags));
        }
        Step::Fill { sender, receiver } => {
            let effects =
                world.receivers().set_buffer_full(EndpointId(sender), EndpointId(receiver), false, core(0));
            prop_assert_eq!(effects.schedule_receiver.is_some(), model.fill(sender, receiver));
        }
        Step::Info => {
            let (result, registers) = world.call(0, &[INFO_GET_64]);
            let mut told = BTreeSet::new();
            if result != Err(FfaError::NoData) {
                let lists = usize::try_from(registers[2] >> 7).unwrap();
                for place in 0..lists {
                    told.insert(registers[3 + place / 4].to_le_bytes().as_chunks().0[place % 4]);
                }
                prop_assert_eq!(told.len(), lists, "nobody is told of twice");
            }
            let told: BTreeSet<u16> = told.into_iter().map(u16::from_le_bytes).collect();
            prop_assert_eq!(told, model.info());
        }
        Step::Create(id) => {
            let (result, _) = world.call(0, &[BITMAP_CREATE, u64::from(id), 8]);
            let expected = match id {
                id if is_secure(id) => Err(FfaError::InvalidParameters),
                id if model.bitmaps.insert(id) => Ok(()),
                _ => Err(FfaError::Denied),
            };
            prop_assert_eq!(result.map(|_| ()), expected);
        }
        Step::Destroy(id) => {
            let (result, _) = world.call(0, &[BITMAP_DESTROY, u64::from(id)]);
            prop_assert_eq!(result.map(|_| ()), model.destroy(id));
        }
        Step::Stop(id) => {
            let stopped = world.partitions.iter().find(|partition| partition.id().0 == id).unwrap();
            stopped.stop();
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
        let mut model = Model { bitmaps: BTreeSet::from([0, VM]), ..Model::default() };
        for step in &steps {
            same(&world, &mut model, step)?;
        }
    }
}

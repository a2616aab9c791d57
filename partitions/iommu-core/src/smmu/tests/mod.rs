// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The driver on the fake SMMU.

mod bring_up;
mod commands;
mod events;
mod hostile;
mod interrupts;
mod need;
mod nested;
mod rebuild;
mod stage1;
mod streams;
mod translations;

use super::fake::{FakeSmmu, Faults, POOL_BASE, POOL_PAGES};
use super::{BringUpError, PoolMapping, Quiet, SmmuV3};
use crate::policy::{Device, Guard, Holders, HypRole, Policy, Range, Smmu};
use crate::pool::Pool;
use ffa_abi::SmmuIndex;
use heapless::{String, Vec};
use std::sync::Arc;

type Driver = SmmuV3<'static, Arc<FakeSmmu>>;

/// First stream and number of streams of the devices behind SMMU 0.
const DEVICES: [(u32, u16); 5] = [(0x10, 1), (0x18, 1), (0x3e, 4), (0x100, 40), (0xc0, 1)];

fn policy() -> Policy {
    let device = |name: &str, smmu, first_sid, sids| Device {
        name: String::try_from(name).unwrap(),
        smmu,
        first_sid,
        sids,
        holders: Holders { host: true, hyp: false, guests: false },
        iova: Range::new(0, 1 << 39).unwrap(),
        identity: false,
        nested: false,
    };
    let mut devices = Vec::new();
    for (place, (first, count)) in DEVICES.into_iter().enumerate() {
        devices.push(device(&format!("device{place}"), 0, first, count)).unwrap();
    }
    devices.push(device("elsewhere", 1, 0x20, 1)).unwrap();
    let smmu = |name: &str, base| Smmu {
        name: String::try_from(name).unwrap(),
        frame: Range::new(base, 0x2_0000).unwrap(),
        resets_to_bypass: true,
        interrupts: None,
        power: crate::policy::Power::AlwaysOn,
    };
    let policy = Policy {
        version: crate::policy::FORMAT_VERSION,
        guard: Guard::Nobody,
        hyp: HypRole::Absent,
        managed: Vec::from_slice(&[Range::new(0x8000_0000, 0x4000_0000).unwrap()]).unwrap(),
        accounts: None,
        pool: Range::new(POOL_BASE, (POOL_PAGES as u64) << 12).unwrap(),
        smmus: Vec::from_slice(&[smmu("smmu0", 0x905_0000), smmu("smmu1", 0x907_0000)]).unwrap(),
        devices,
        unprotected: Vec::new(),
        fault_rate: 0,
    };
    policy.check().unwrap();
    policy
}

fn bring_up_in(
    fake: &Arc<FakeSmmu>,
    pool: &Pool<'static>,
    mapping: PoolMapping,
) -> Result<Driver, BringUpError> {
    SmmuV3::bring_up(Quiet::new(Arc::clone(fake))?, &policy(), SmmuIndex(0), pool, mapping)
}

fn try_bring_up(fake: &Arc<FakeSmmu>) -> Result<Driver, BringUpError> {
    let pool = fake.pool();
    bring_up_in(fake, &pool, PoolMapping::WriteBack)
}

fn bring_up(faults: Faults) -> (Arc<FakeSmmu>, Driver) {
    let fake = FakeSmmu::new(faults);
    let driver = try_bring_up(&fake).unwrap();
    (fake, driver)
}

/// A fake that takes its time, as hardware does.
fn slow() -> Faults {
    Faults { update_delay: 5, command_delay: 3, ..Faults::default() }
}

/// Tells whether a stream belongs to a device of the policy behind SMMU 0.
fn is_known(stream: u32) -> bool {
    DEVICES.iter().any(|(first, count)| (*first..first + u32::from(*count)).contains(&stream))
}

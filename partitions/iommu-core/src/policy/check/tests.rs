// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Each refusal, by a policy that differs from a good one in one thing.

use super::*;
use crate::policy::{Holders, HypRole, Interrupts, Smmu};

const PAGES: u64 = PAGE_SIZE;

fn name(text: &str) -> Name {
    Name::try_from(text).unwrap()
}

fn range(base: u64, size: u64) -> Range {
    Range { base, size }
}

fn device(text: &str, first_sid: u32) -> Device {
    Device {
        name: name(text),
        smmu: 0,
        first_sid,
        sids: 2,
        holders: Holders { host: true, hyp: false, guests: false },
        iova: range(0x1000_0000, 0x1_0000_0000),
        identity: false,
        nested: false,
    }
}

/// A policy with nothing wrong: two SMMUs, two devices behind the first.
pub(in crate::policy) fn good() -> Policy {
    let smmu = |text, base, interrupts| Smmu {
        name: name(text),
        frame: range(base, 0x2_0000),
        resets_to_bypass: true,
        interrupts,
        power: Power::AlwaysOn,
    };
    let wires = Some(Interrupts { event: 106, error: 109 });
    Policy {
        version: FORMAT_VERSION,
        guard: Guard::Nobody,
        hyp: HypRole::Absent,
        managed: [range(0x4000_0000, 0x1000_0000), range(0x6000_0000, 0x1000)].into_iter().collect(),
        accounts: None,
        pool: range(0x5000_0000, 0x40_0000),
        smmus: [smmu("smmu0", 0x900_0000, wires), smmu("smmu1", 0x902_0000, None)].into_iter().collect(),
        devices: [device("nic", 0x10), device("disk", 0x12)].into_iter().collect(),
        unprotected: [name("usb")].into_iter().collect(),
        fault_rate: 0,
    }
}

/// Changes a good policy and returns what is said about it.
fn refusal(change: impl FnOnce(&mut Policy)) -> PolicyError {
    let mut policy = good();
    change(&mut policy);
    policy.check().unwrap_err()
}

#[test]
fn a_good_policy_passes() {
    assert_eq!(good().check(), Ok(()));
}

#[test]
fn version() {
    assert_eq!(refusal(|policy| policy.version = 9), PolicyError::Version(9));
}

#[test]
fn no_smmu() {
    assert_eq!(refusal(|policy| policy.smmus.clear()), PolicyError::NoSmmu);
}

/// A good policy with a hypervisor.
fn with_hyp() -> Policy {
    Policy { hyp: HypRole::Required, accounts: Some(range(0x2000_0000, 0x2_1000)), ..good() }
}

#[test]
fn a_hypervisor_and_accounts_belong_together() {
    assert_eq!(with_hyp().check(), Ok(()));
    let needed = with_hyp().accounts_bytes_needed();
    assert_eq!(refusal(|policy| policy.hyp = HypRole::Required), PolicyError::Accounts(needed));
    assert_eq!(refusal(|policy| policy.accounts = with_hyp().accounts), PolicyError::Accounts(0));
}

#[test]
fn every_managed_page_has_its_account() {
    let mut policy = with_hyp();
    // 64 Ki pages and one, in 128 blocks and one.
    assert_eq!((policy.managed_pages(), policy.managed_blocks()), (0x1_0001, 129));
    let needed = 2 * 0x1_0001 + 4 * 129;
    assert_eq!(policy.accounts_bytes_needed(), needed);
    let small = range(0x2000_0000, 0x2_0000);
    policy.accounts = Some(small);
    assert_eq!(policy.check(), Err(PolicyError::Accounts(needed)));
    policy.managed[1] = range(0x6000_0000, 0x4000_0000);
    assert!(policy.accounts_bytes_needed() - needed < 1 << 20, "at most 1 MiB for 1 GiB");
    // A range that begins and ends within blocks has a part of both.
    policy.managed = [range(0x401f_f000, 0x2000)].into_iter().collect();
    assert_eq!((policy.managed_pages(), policy.managed_blocks()), (2, 2));
}

#[test]
fn accounts_have_memory_of_their_own() {
    let (pool, managed) = (range(0x5000_0000, 0x40_0000), range(0x4000_0000, 0x1000_0000));
    for (at, other, taken) in
        [(0x503f_f000, "pool", pool), (0x4fff_f000, "pool", pool), (0x4000_0000, "managed memory", managed)]
    {
        let accounts = range(at, 0x2_1000);
        let expected = PolicyError::Overlap("memory for accounts", accounts, other, taken);
        assert_eq!(Policy { accounts: Some(accounts), ..with_hyp() }.check(), Err(expected));
    }
    let odd = range(0x2000_0800, 0x2_1000);
    let expected = PolicyError::Range("memory for accounts", odd);
    assert_eq!(Policy { accounts: Some(odd), ..with_hyp() }.check(), Err(expected));
}

#[test]
fn names() {
    for bad in ["", "a b", "na\u{ef}f", "bell\u{7}"] {
        assert_eq!(refusal(|policy| policy.devices[1].name = name(bad)), PolicyError::Name(name(bad)));
        assert_eq!(refusal(|policy| policy.smmus[0].name = name(bad)), PolicyError::Name(name(bad)));
        assert_eq!(refusal(|policy| policy.unprotected[0] = name(bad)), PolicyError::Name(name(bad)));
    }
    let twice = |text| PolicyError::DuplicateName(name(text));
    assert_eq!(refusal(|policy| policy.devices[1].name = name("nic")), twice("nic"));
    assert_eq!(refusal(|policy| policy.smmus[1].name = name("smmu0")), twice("smmu0"));
}

#[test]
fn ranges_are_whole_pages_below_the_limit() {
    for bad in [
        range(0x100_0800, 0x2_0000),
        range(0x100_0000, 0x2_0800),
        range(0x100_0000, 0),
        range(!0xfff, 0x2000),
        range(ADDRESS_LIMIT - 0x1_0000, 0x2_0000),
    ] {
        assert_eq!(refusal(|policy| policy.pool = bad), PolicyError::Range("pool", bad));
        let managed = PolicyError::Range("managed memory", bad);
        assert_eq!(refusal(|policy| policy.managed[1] = bad), managed);
        assert_eq!(refusal(|policy| policy.smmus[1].frame = bad), PolicyError::Range("SMMU frame", bad));
    }
    let highest = range(ADDRESS_LIMIT - 0x2_0000, 0x2_0000);
    let mut policy = good();
    policy.smmus[1].frame = highest;
    assert_eq!(policy.check(), Ok(()));
}

#[test]
fn nothing_overlaps() {
    let pool = range(0x5000_0000, 0x40_0000);
    let (first, second) = (range(0x4000_0000, 0x1000_0000), range(0x6000_0000, 0x1000));
    let (smmu0, smmu1) = (range(0x900_0000, 0x2_0000), range(0x902_0000, 0x2_0000));
    let into = range(0x503f_f000, 0x2_0000);
    for (change, expected) in [
        ((0, into), PolicyError::Overlap("managed memory", into, "pool", pool)),
        ((0, second), PolicyError::Overlap("managed memory", second, "managed memory", second)),
        ((1, first), PolicyError::Overlap("managed memory", first, "managed memory", first)),
        ((2, into), PolicyError::Overlap("SMMU frame", into, "pool", pool)),
        ((2, first), PolicyError::Overlap("SMMU frame", first, "managed memory", first)),
        ((2, smmu1), PolicyError::Overlap("SMMU frame", smmu1, "SMMU frame", smmu1)),
        ((3, smmu0), PolicyError::Overlap("SMMU frame", smmu0, "SMMU frame", smmu0)),
    ] {
        let (place, bad) = change;
        let seen = refusal(|policy| match place {
            0 | 1 => policy.managed[place] = bad,
            _ => policy.smmus[place - 2].frame = bad,
        });
        assert_eq!(seen, expected);
    }
}

#[test]
fn frames_have_both_pages() {
    for bad in [range(0x900_0000, FRAME_SIZE - PAGES), range(0x900_0000 - PAGES, FRAME_SIZE)] {
        assert_eq!(refusal(|policy| policy.smmus[0].frame = bad), PolicyError::Frame(name("smmu0"), bad));
    }
}

#[test]
fn interrupts_are_spis_of_one_smmu() {
    let wired = |event, error| Some(Interrupts { event, error });
    for bad in [0, 31, 1020, 4096, u32::MAX] {
        let expected = PolicyError::Interrupt(name("smmu0"), bad);
        assert_eq!(refusal(|policy| policy.smmus[0].interrupts = wired(bad, 109)), expected);
        assert_eq!(refusal(|policy| policy.smmus[0].interrupts = wired(106, bad)), expected);
    }
    for (event, error, taken) in [(106, 50, 106), (50, 106, 106), (109, 50, 109), (50, 109, 109)] {
        let expected = PolicyError::SharedInterrupt(name("smmu0"), name("smmu1"), taken);
        assert_eq!(refusal(|policy| policy.smmus[1].interrupts = wired(event, error)), expected);
    }
    let mut policy = good();
    policy.smmus[0].interrupts = wired(32, 32);
    policy.smmus[1].interrupts = wired(1019, 33);
    assert_eq!(policy.check(), Ok(()), "the first, the last, and one for both");
}

#[test]
fn pools_are_large_enough_and_not_too_large() {
    let large = range(0x1_0000_0000, (MAX_POOL_PAGES as u64 + 1) * PAGES);
    assert_eq!(refusal(|policy| policy.pool = large), PolicyError::PoolTooLarge(large));
    let needed = good().pool_pages_needed();
    let small = range(0x5000_0000, (needed - 1) * PAGES);
    assert_eq!(refusal(|policy| policy.pool = small), PolicyError::PoolTooSmall(small, needed));
    let mut policy = good();
    policy.pool = range(0x5000_0000, needed * PAGES);
    assert_eq!(policy.check(), Ok(()));
}

#[test]
fn more_streams_need_more_pool() {
    let mut policy = good();
    let before = policy.pool_pages_needed();
    policy.devices[0].sids = 0x1000;
    policy.devices[0].first_sid = 0x1000;
    assert_eq!(policy.pool_pages_needed(), before + 63);
    policy.devices[0].first_sid = MAX_SID - 0xfff;
    assert!(policy.pool_pages_needed() > before + 63 + 30);
}

#[test]
fn devices_stand_behind_an_smmu() {
    assert_eq!(refusal(|policy| policy.devices[1].smmu = 2), PolicyError::DeviceSmmu(name("disk"), 2));
}

#[test]
fn stream_ids_can_be_served() {
    for (first, count) in [(5, 0), (MAX_SID, 2), (u32::MAX, 1), (u32::MAX, 2), (0x100, MAX_DEVICE_SIDS + 1)] {
        let seen = refusal(|policy| (policy.devices[0].first_sid, policy.devices[0].sids) = (first, count));
        assert_eq!(seen, PolicyError::DeviceSids(name("nic"), first, count));
    }
}

#[test]
fn streams_have_one_device() {
    let shared = PolicyError::SharedSid(name("nic"), name("disk"));
    for (first, count) in [(0x11, 2), (0x10, 1), (0x13, 1), (0, 0x100)] {
        if first == 0x13 {
            let seen =
                refusal(|policy| (policy.devices[0].first_sid, policy.devices[0].sids) = (first, count));
            assert_eq!(seen, shared);
        } else {
            let seen =
                refusal(|policy| (policy.devices[1].first_sid, policy.devices[1].sids) = (first, count));
            assert_eq!(seen, shared);
        }
    }
    let mut policy = good();
    policy.devices[1].first_sid = 0x10;
    policy.devices[1].smmu = 1;
    assert_eq!(policy.check(), Ok(()), "the same number behind another SMMU is another stream");
}

#[test]
fn windows_are_whole_pages_that_tables_reach() {
    for bad in [range(0x800, 0x1000), range(0, 0), range(IOVA_LIMIT - 0x1000, 0x2000), range(u64::MAX - 1, 9)]
    {
        assert_eq!(refusal(|policy| policy.devices[1].iova = bad), PolicyError::Iova(name("disk"), bad));
    }
}

#[test]
fn windows_of_devices_of_one_client_meet() {
    let apart = range(0, 0x1000);
    let seen = refusal(|policy| policy.devices[1].iova = apart);
    assert_eq!(seen, PolicyError::Windows(name("nic"), name("disk")));
    let mut policy = good();
    policy.devices[1].iova = apart;
    policy.devices[1].holders.host = false;
    assert_eq!(policy.check(), Ok(()), "nobody holds both");
}

#[test]
fn without_a_guard_only_the_host_holds_devices() {
    let unguarded = PolicyError::Unguarded(name("disk"));
    assert_eq!(refusal(|policy| policy.devices[1].holders.hyp = true), unguarded);
    assert_eq!(refusal(|policy| policy.devices[1].holders.guests = true), unguarded);
    for guard in [Guard::El2, Guard::BusFilter] {
        let mut policy = good();
        policy.guard = guard;
        policy.devices[1].holders = Holders { host: true, hyp: true, guests: true };
        assert_eq!(policy.check(), Ok(()));
    }
}

#[test]
fn identity_is_for_devices_of_the_host() {
    assert_eq!(
        refusal(|policy| {
            policy.devices[1].identity = true;
            policy.devices[1].holders = Holders::default();
        }),
        PolicyError::Identity(name("disk"))
    );
}

#[test]
fn a_stage_1_of_its_own_is_for_devices_of_the_host() {
    assert_eq!(
        refusal(|policy| {
            policy.devices[1].nested = true;
            policy.devices[1].holders = Holders::default();
        }),
        PolicyError::Nested(name("disk"))
    );
}

/// By hand: the root, and for each range the tables below it.
#[test]
fn the_pool_has_room_for_identity() {
    let mut policy = good();
    let without = policy.pool_pages_needed();
    assert_eq!(policy.identity_pages_needed(), 0);
    policy.devices[0].identity = true;
    // 1 GiB and 4 KiB from a boundary on: two tables of level 2, and those of level 3 at its ends.
    policy.managed = [range(0x8000_0000, 0x4000_1000)].into_iter().collect();
    assert_eq!(policy.identity_pages_needed(), 1 + 1 + 2 + 2);
    assert_eq!(policy.pool_pages_needed(), without + 6);
    // One for each 2 MiB where pages move.
    policy.hyp = HypRole::Required;
    assert_eq!(policy.identity_pages_needed(), 1 + 1 + 2 + 513);
}

#[test]
fn an_smmu_that_opens_when_its_power_returns_must_keep_it() {
    for (resets_to_bypass, power, fine) in [
        (true, Power::MayGo, false),
        (true, Power::AlwaysOn, true),
        (true, Power::ResumesSecure, true),
        (false, Power::MayGo, true),
    ] {
        let mut policy = good();
        policy.smmus[1].resets_to_bypass = resets_to_bypass;
        policy.smmus[1].power = power;
        let refused = PolicyError::Power(policy.smmus[1].name.clone());
        assert_eq!(policy.check(), if fine { Ok(()) } else { Err(refused) });
    }
}

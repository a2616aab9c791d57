// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From reset to default deny, with DMA attempted at every step.

use super::super::fake::{FakeSmmu, Faults, Route, STREAMS};
use super::super::{BringUpError, PoolMapping, Quiet, SmmuV3, Unsupported};
use super::{bring_up, bring_up_in, is_known, slow, try_bring_up};
use ffa_abi::SmmuIndex;
use std::sync::Arc;

const GBPA: usize = 0x44;

#[test]
fn dma_never_passes_and_aborting_comes_first() {
    for update_delay in [0, 1, 7] {
        let (fake, _driver) = bring_up(Faults { update_delay, ..slow() });
        assert_eq!(fake.writes()[0].0, GBPA);
        fake.assert_no_violation();
        assert!(fake.state().is_enabled() && fake.state().aborts_when_off());
    }
}

#[test]
fn a_boot_loaders_translation_is_not_followed_by_a_bypass() {
    let fake = FakeSmmu::new(slow());
    // Translating by tables out of reach, with GBPA still at bypass.
    fake.state().leave_enabled(0b1101, 0x10_0000, 0x1_0188);
    let _driver = try_bring_up(&fake).unwrap();
    fake.assert_no_violation();
    assert_eq!(fake.writes()[0].0, GBPA);
}

#[test]
fn a_boot_loaders_page_requests_have_ended_before_attributes_change() {
    let fake = FakeSmmu::new(Faults { update_delay: 100, ..slow() });
    fake.state().leave_enabled(0b0010, 0, 0);
    let _driver = try_bring_up(&fake).unwrap();
    fake.assert_no_violation();
}

#[test]
fn every_stream_is_denied_and_heard_of() {
    let (fake, _driver) = bring_up(slow());
    let mut seen = [0; 2];
    for stream in (0..STREAMS).chain([0x1000, 0xffff]) {
        let routes = fake.state().routes(stream);
        let [Route::Aborted(Some(event))] = routes[..] else { panic!("{stream:#x}: {routes:?}") };
        match event {
            4 => seen[0] += 1,
            2 => {
                assert!(!is_known(stream), "{stream:#x}");
                seen[1] += 1;
            }
            _ => panic!("{stream:#x}: event {event}"),
        }
    }
    assert!(seen[0] > 0 && seen[1] > 0);
    assert_eq!(fake.state().controls(), [0b1101, 0b11_01_01_11_01_01, 2, 0]);
}

#[test]
fn old_errors_are_acknowledged_and_caches_forgotten() {
    let (fake, _driver) = bring_up(slow());
    assert_eq!(fake.state().active_errors(), 0);
    let completed = fake.completed();
    assert_eq!(completed[0], [0x4, 31]);
    assert_eq!(completed[1][0], 0x46);
    assert_eq!(completed[2..], [[0x30, 0], [0x46, 0]]);
}

#[test]
fn what_else_an_smmu_can_do_is_shut_too() {
    let fake = FakeSmmu::new(slow());
    // Broadcast maintenance, EL2 entries, ATS.
    fake.state().idr[0] |= 1 << 5 | 1 << 9 | 1 << 10;
    let _driver = try_bring_up(&fake).unwrap();
    // ATSCHK, PTM, and no E2H.
    assert_eq!(fake.state().controls(), [0b1_1101, 0b11_01_01_11_01_01, 0b110, 0]);
    assert!(fake.completed().contains(&[0x20, 0]));
    fake.assert_no_violation();
}

#[test]
fn an_smmu_that_is_not_coherent_works_on_memory_that_is_not_cached() {
    let fake = FakeSmmu::new(slow());
    fake.state().idr[0] &= !0x10;
    let pool = fake.pool();
    bring_up_in(&fake, &pool, PoolMapping::NonCacheable).unwrap();
    assert_eq!(fake.state().controls()[1], 0b10_00_00_10_00_00);
}

#[test]
fn a_pool_that_is_too_small_is_refused() {
    let fake = FakeSmmu::new(slow());
    let pool = fake.pool();
    while pool.available() > 9 {
        pool.reserve(1, 1).unwrap();
    }
    let result = bring_up_in(&fake, &pool, PoolMapping::WriteBack);
    assert!(matches!(result.unwrap_err(), BringUpError::Pool(_)));
    assert!(fake.state().aborts_when_off() && !fake.state().is_enabled());
    fake.assert_no_violation();
}

#[test]
fn what_the_policy_needs_and_the_smmu_lacks_is_named() {
    let refused = |change: fn(&mut [u32; 6])| {
        let fake = FakeSmmu::new(slow());
        change(&mut fake.state().idr);
        let error = try_bring_up(&fake).unwrap_err();
        assert!(fake.state().aborts_when_off() && !fake.state().is_enabled());
        fake.assert_no_violation();
        error
    };
    let unsupported = |what| BringUpError::Unsupported(what);
    assert_eq!(refused(|idr| idr[0] &= !3), unsupported(Unsupported::NoStage));
    assert_eq!(refused(|idr| idr[0] &= !0xc), unsupported(Unsupported::NoAarch64Tables));
    assert_eq!(refused(|idr| idr[0] |= 3 << 21), unsupported(Unsupported::BigEndianTables));
    assert_eq!(refused(|idr| idr[5] &= !0x10), unsupported(Unsupported::NoGranule4K));
    assert_eq!(refused(|idr| idr[0] &= !(3 << 27)), unsupported(Unsupported::NoTwoLevelStreamTable));
    assert_eq!(refused(|idr| idr[0] = idr[0] & !(3 << 24) | 2 << 24), unsupported(Unsupported::StallForced));
    assert_eq!(refused(|idr| idr[1] |= 1 << 29), unsupported(Unsupported::Preset));
    assert_eq!(refused(|idr| idr[1] |= 1 << 30), unsupported(Unsupported::Preset));
    assert_eq!(refused(|idr| idr[0] &= !0x10), unsupported(Unsupported::NotCoherent));
    assert_eq!(
        refused(|idr| idr[1] = idr[1] & !0x3f | 8),
        unsupported(Unsupported::StreamIdBits { needed: 9, present: 8 })
    );
    // 36 bits: enough for the memory of this policy, not for tables whose input has 39.
    assert_eq!(refused(|idr| idr[5] = idr[5] & !7 | 1), unsupported(Unsupported::InputBits(36)));
    assert_eq!(refused(|idr| idr[1] &= !(0x1f << 21)), unsupported(Unsupported::CommandQueue(0)));
}

#[test]
fn memory_beyond_the_smmus_reach_is_refused() {
    let fake = FakeSmmu::new(slow());
    fake.state().idr[5] = 0x70;
    let mut policy = super::policy();
    policy.managed[0].base = 0x1_0000_0000;
    let pool = fake.pool();
    let quiet = Quiet::new(Arc::clone(&fake)).unwrap();
    let result = SmmuV3::bring_up(quiet, &policy, SmmuIndex(0), &pool, PoolMapping::WriteBack);
    let expected = Unsupported::OutputBits { top: 0x1_3fff_ffff, bits: 32 };
    assert_eq!(result.unwrap_err(), BringUpError::Unsupported(expected));
}

#[test]
fn registers_that_do_not_take_are_named() {
    for (offset, name) in [
        (0x28, "CR1"),
        (0x2c, "CR2"),
        (0x80, "STRTAB_BASE"),
        (0x88, "STRTAB_BASE_CFG"),
        (0x90, "CMDQ_BASE"),
        (0x98, "CMDQ_PROD"),
        (0x9c, "CMDQ_CONS"),
        (0xa0, "EVENTQ_BASE"),
        (0x68, "GERROR_IRQ_CFG0"),
        (0xb0, "EVENTQ_IRQ_CFG0"),
        (0x1_00a8, "EVENTQ_PROD"),
        (0x1_00ac, "EVENTQ_CONS"),
        (0x44, "GBPA"),
    ] {
        let fake = FakeSmmu::new(Faults { read_only: Some(offset), ..slow() });
        let error = try_bring_up(&fake).unwrap_err();
        assert!(
            matches!(error, BringUpError::NotTaken { register, .. } if register == name),
            "{offset:#x}: {error}"
        );
        assert!(!fake.state().is_enabled());
    }
}

#[test]
fn registers_that_never_answer_end_the_attempt() {
    let fake = FakeSmmu::new(Faults { gbpa_stuck: true, ..slow() });
    assert_eq!(try_bring_up(&fake).unwrap_err(), BringUpError::Timeout("GBPA"));
    let fake = FakeSmmu::new(Faults { control_stuck: true, ..slow() });
    assert_eq!(try_bring_up(&fake).unwrap_err(), BringUpError::Timeout("CR0"));
    assert!(fake.state().aborts_when_off());
    for faults in [
        Faults { commands_stuck: true, ..slow() },
        Faults { fetch_aborts: true, ..slow() },
        Faults { illegal: [0].into(), ..slow() },
    ] {
        let fake = FakeSmmu::new(faults);
        assert_eq!(try_bring_up(&fake).unwrap_err(), BringUpError::Commands);
        assert!(!fake.state().is_enabled() && fake.state().aborts_when_off());
        fake.assert_no_violation();
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Command queue errors, time-outs, and other global errors.

use super::super::fake::{Faults, Route};
use super::super::{Differences, Smmu as _, SmmuError, Stage2, StreamConfig, Vmid};
use super::{bring_up, slow};
use crate::table::Geometry;
use ffa_abi::{PhysAddr, StreamId};

const VMID: Vmid = Vmid(3);
const GERRORN: usize = 0x64;

#[test]
fn a_queue_that_stands_still_shuts_the_smmu_until_it_is_rebuilt() {
    let (fake, driver) = bring_up(slow());
    fake.faults(|faults| faults.commands_stuck = true);
    assert_eq!(driver.invalidate_vmid(VMID), Err(SmmuError::Timeout));
    assert!(!fake.state().is_enabled() && fake.state().aborts_when_off());
    // It stays given up, even if it would work again, and nothing is asked of it any more.
    fake.faults(|faults| faults.commands_stuck = false);
    let writes = fake.writes().len();
    assert_eq!(driver.invalidate_vmid(VMID), Err(SmmuError::Timeout));
    assert_eq!(driver.check_errors(), Err(SmmuError::Timeout));
    assert_eq!(driver.set_streams(StreamId(0x10), 1, &StreamConfig::Abort), Err(SmmuError::Timeout));
    assert_eq!(fake.writes().len(), writes);
    assert_eq!(fake.state().routes(0x10), [Route::Aborted(None)]);
    fake.assert_no_violation();
}

#[test]
fn translation_stays_on_where_nothing_else_would_abort() {
    let broken = [
        Faults { commands_stuck: true, gbpa_stuck: true, ..slow() },
        Faults { commands_stuck: true, read_only: Some(0x44), ..slow() },
    ];
    for faults in broken {
        let (fake, driver) = bring_up(slow());
        fake.state().tamper_with_gate();
        fake.faults(|now| *now = faults);
        // GBPA is not as it was left, and that is the better reason.
        assert_eq!(driver.invalidate_vmid(VMID), Err(SmmuError::Differed(Differences(1 << 3))));
        assert!(!fake.state().aborts_when_off() && fake.state().is_enabled());
        fake.assert_no_violation();
    }
}

#[test]
fn an_error_where_no_command_of_ours_is_shuts_the_smmu() {
    let (fake, driver) = bring_up(slow());
    driver.invalidate_vmid(VMID).unwrap();
    fake.faults(|faults| faults.commands_stuck = true);
    // The queue holds 256 commands, the index and its wrap bit count to 512.
    fake.state().report_illegal_at(300);
    let writes = fake.writes().len();
    assert_eq!(driver.invalidate_vmid(VMID), Err(SmmuError::Global(1)));
    // Nothing was acknowledged.
    assert!(fake.writes().split_off(writes).iter().all(|(offset, _)| *offset != GERRORN));
}

#[test]
fn an_illegal_command_is_skipped_and_made_up_for() {
    let (fake, driver) = bring_up(slow());
    let fetched = fake.completed().len() as u64;
    fake.faults(|faults| faults.illegal = [fetched].into());
    let before = fake.completed().len();
    driver.invalidate_vmid(VMID).unwrap();
    // The command is gone; all that it could have meant was done.
    assert_eq!(
        fake.completed().split_off(before),
        [[0x46, 0], [0x46, 0], [0x4, 31], [0x46, 0], [0x30, 0], [0x46, 0]]
    );
    assert_eq!(driver.statistics().skipped_commands, 1);
    assert_eq!(fake.state().active_errors(), 0);
    driver.invalidate_vmid(VMID).unwrap();
    fake.assert_no_violation();
}

#[test]
fn a_queue_of_illegal_commands_is_given_up() {
    let (fake, driver) = bring_up(slow());
    fake.faults(|faults| faults.illegal = (0..100).collect());
    assert_eq!(driver.invalidate_vmid(VMID), Err(SmmuError::Global(1)));
    assert!(!fake.state().is_enabled());
    assert_eq!(driver.invalidate_vmid(VMID), Err(SmmuError::Global(1)));
    fake.assert_no_violation();
}

#[test]
fn commands_that_cannot_be_fetched_shut_the_smmu() {
    let (fake, driver) = bring_up(slow());
    fake.faults(|faults| faults.fetch_aborts = true);
    let writes = fake.writes().len();
    assert_eq!(driver.invalidate_vmid(VMID), Err(SmmuError::Global(1)));
    // It was not tried again.
    assert!(fake.writes().split_off(writes).iter().all(|(offset, _)| *offset != GERRORN));
    assert!(!fake.state().is_enabled());
    fake.assert_no_violation();
}

#[test]
fn a_stream_is_never_left_half_set() {
    let stage2 = Stage2 { vmid: VMID, root: PhysAddr(0x4801_0000), geometry: Geometry::Bits39 };
    for stuck_after in 0..4 {
        let (fake, driver) = bring_up(Faults::default());
        let fetched = fake.completed().len() as u64;
        fake.faults(|faults| faults.illegal = (fetched + stuck_after..fetched + 100).collect());
        assert!(driver.set_streams(StreamId(0x10), 1, &StreamConfig::Stage2(stage2)).is_err());
        // Whatever was written: the SMMU no longer looks at it.
        assert_eq!(fake.state().routes(0x10), [Route::Aborted(None)]);
    }
}

#[test]
fn errors_that_leave_the_smmu_working_are_acknowledged_and_counted() {
    let (fake, driver) = bring_up(slow());
    assert_eq!(driver.check_errors(), Ok(()));
    fake.state().raise(4);
    assert_eq!(driver.check_errors(), Ok(()));
    fake.state().raise(0x20 | 0x80);
    assert_eq!(driver.check_errors(), Ok(()));
    assert_eq!(fake.state().active_errors(), 0);
    let statistics = driver.statistics();
    assert_eq!((statistics.event_aborts, statistics.stray_errors), (1, 1));
    // A second time is heard of again.
    fake.state().raise(4);
    assert_eq!(driver.check_errors(), Ok(()));
    assert_eq!(driver.statistics().event_aborts, 2);
    driver.invalidate_vmid(VMID).unwrap();
}

#[test]
fn errors_that_stop_the_smmu_shut_it() {
    for error in [1, 0x100] {
        let (fake, driver) = bring_up(slow());
        fake.state().raise(error);
        let reason = u32::try_from(error).unwrap();
        assert_eq!(driver.check_errors(), Err(SmmuError::Global(reason)));
        assert!(!fake.state().is_enabled() && fake.state().aborts_when_off());
    }
}

#[test]
fn reserved_error_bits_are_ignored() {
    let (fake, driver) = bring_up(slow());
    fake.state().raise(0xffff_f802);
    let writes = fake.writes().len();
    assert_eq!(driver.check_errors(), Ok(()));
    assert_eq!(fake.writes().len(), writes);
}

#[test]
fn what_somebody_else_wrote_into_the_queue_has_no_effect() {
    let (fake, driver) = bring_up(slow());
    for _ in 0..150 {
        fake.state().tamper_with_next_command([u64::MAX, u64::MAX]);
        driver.invalidate_vmid(VMID).unwrap();
    }
    assert_eq!(driver.statistics().skipped_commands, 0);
    fake.assert_no_violation();
}

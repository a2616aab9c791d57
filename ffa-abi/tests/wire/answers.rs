// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Answers that carry more than numbers.

use ffa_abi::{
    DeviceRecord, Difference, Fault, FaultKind, Features, GuardLevel, Iova, Limits, PageOwner, PageState,
    PoolReport, Registers, Response, SmmuIndex, SmmuRegisters, SmmuReport, SmmuState, Status, StreamId,
};

use super::requests;
use super::vectors::vectors;

pub(super) const NAMES: [&str; 8] = [
    "answer.DEVICE_DESCRIBE",
    "answer.FAULT_POLL",
    "answer.FEATURES",
    "answer.PAGE_STATE",
    "answer.POOL_STATUS",
    "answer.REGISTER.differs",
    "answer.SMMU_STATUS",
    "answer.status",
];

fn answer(name: &str) -> (Registers, Response) {
    let registers = vectors()[name];
    let response = Response::decode(registers).unwrap();
    assert_eq!(response.encode(), registers);
    (registers, response)
}

#[test]
fn a_status() {
    let (registers, response) = answer("answer.status");
    assert_eq!(response, Response::status(Status::Saturated));
    assert_eq!(registers, [19, 0, 0, 0, 0]);
}

#[test]
fn a_device() {
    let (_, response) = answer("answer.DEVICE_DESCRIBE");
    let record = requests::device();
    assert_eq!(response, Response { status: Status::Ok, values: record.to_registers() });
    assert_eq!(DeviceRecord::from_registers(response.values), Some(record));
}

#[test]
fn what_differs() {
    let (_, response) = answer("answer.REGISTER.differs");
    let differs = Difference::SMMU | Difference::COUNT | Difference::NAME;
    assert_eq!(response, Response { status: Status::Differs, ..Response::value(differs.bits()) });
}

#[test]
fn features_and_limits() {
    let (_, response) = answer("answer.FEATURES");
    let features = Features::RANGE_INVALIDATION | Features::HYP_REQUIRED | Features::HYP_CLAIMED;
    let limits = Limits {
        entries_per_call: 0x201,
        domains: 0x80,
        faults: 0x43,
        pages_per_move: 0x204,
        guests: 0x1005,
        page_sizes: 0x4020_1000,
        iova_bits: 48,
    };
    let [x5, x6, x7] = limits.to_registers();
    let x4 = u64::from(u8::from(GuardLevel::BusFilter)) | features.bits();
    assert_eq!(response, Response { status: Status::Ok, values: [x4, x5, x6, x7] });
    assert_eq!(Limits::from_registers([x5, x6, x7]), Some(limits));
}

#[test]
fn a_fault() {
    let (_, response) = answer("answer.FAULT_POLL");
    let [x4, x5, x6, dropped] = response.values;
    let fault = Fault {
        smmu: SmmuIndex(0x102),
        sid: StreamId(0x89ab_cdef),
        iova: Iova(0x12_3456_7089),
        kind: FaultKind::Permission,
        write: true,
        event: 0x13,
    };
    assert_eq!((Fault::from_registers([x4, x5, x6]), dropped), (Some(fault), 0x1_0000_0003));
    assert_eq!(fault.to_registers(), [x4, x5, x6]);
}

#[test]
fn whose_a_page_is() {
    let (_, response) = answer("answer.PAGE_STATE");
    let [x4, x5, 0, 0] = response.values else { panic!("{response:?}") };
    let state = PageState { owner: PageOwner::Guest(0x1234), host_access: true, pins: 0x8000_0001 };
    assert_eq!(PageState::from_registers([x4, x5]), Some(state));
    assert_eq!(state.to_registers(), [x4, x5]);
}

#[test]
fn how_an_smmu_is() {
    let (_, response) = answer("answer.SMMU_STATUS");
    let report = SmmuReport {
        state: SmmuState::Differed,
        errors: 0x81,
        differed: SmmuRegisters::CR0 | SmmuRegisters::EVENTQ_IRQ_CFG0,
        rebuilt: 0x8000_0001,
        tampered: 0x8000_0003,
        lost: 0x8000_0004,
        skipped: 0x8000_0002,
    };
    assert_eq!(response, Response { status: Status::Ok, values: report.to_registers() });
    assert_eq!(SmmuReport::from_registers(response.values), Some(report));
}

#[test]
fn what_tables_take() {
    let (_, response) = answer("answer.POOL_STATUS");
    let report = PoolReport {
        limit: 0x101,
        used: 0x8000_0002,
        lent: 0x1003,
        lent_used: 0x8000_0004,
        refused: 0x8000_0005,
    };
    assert_eq!(response, Response { status: Status::Ok, values: report.to_registers() });
    assert_eq!(PoolReport::from_registers(response.values), Some(report));
}

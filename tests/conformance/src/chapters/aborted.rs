// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The aborted state (DEN0077A 7.2.4): a partition that fails is gone, and whoever talks to it is told. Last of all cases: it
//! does not come back.

use crate::case::{Case, Instance};
use crate::endpoint::{call, ids};
use crate::exchange::{NormalWorld, PartitionEndpoint, ask, begin};
use crate::interface::Interface;
use crate::outcome::Outcome;
use crate::partner::Partner;
use arm_ffa::FfaError::Aborted;
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[Case::exchange(
    Interface::Error,
    "partition-fails",
    "7.2.4; 12.2; 15.2",
    Instance::LATEST,
    ask_and_lose,
    fail,
)];

fn ask_and_lose(normal: &mut dyn NormalWorld) -> Outcome {
    let number = normal.number();
    let to = ids(0, Partner::Victim.id());
    let first = begin(normal.endpoint(), Partner::Victim, number, [0; 4]);
    first.error(Aborted)?;
    for request in [FuncId::MsgSendDirectReq32, FuncId::MsgSendDirectReq64, FuncId::MsgSendDirectReq64_2] {
        call(normal.endpoint(), request, &[to]).error(Aborted)?;
    }
    call(normal.endpoint(), FuncId::Run32, &[ids(Partner::Victim.id(), 0)]).error(Aborted)?;
    // Partitions are told alike, and go on.
    ask(normal.endpoint(), Partner::PeerMp, number, [1, 0, 0, 0]).map(|_| ())
}

fn fail(endpoint: &mut dyn PartitionEndpoint, [survivor, ..]: [u64; 4]) -> Outcome<[u64; 4]> {
    if survivor == 0 {
        endpoint.fail();
    }
    let request = [ids(endpoint.id(), Partner::Victim.id())];
    call(endpoint, FuncId::MsgSendDirectReq64, &request).error(Aborted).map(|()| [0; 4])
}

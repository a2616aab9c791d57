// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_RETRIEVE_REQ and FFA_MEM_RETRIEVE_RESP (DEN0140 2.4, 2.5): what receivers may ask for.

use super::*;
use crate::case::{Case, Instance};
use crate::interface::Interface;
use crate::outcome::same;
use arm_ffa::FfaError::{Busy, NotSupported};

/// Kinds of transactions in flags (table 1.22).
const SHARED: u32 = 1 << 3;
const LENT: u32 = 2 << 3;
const DONATED: u32 = 3 << 3;

pub(in crate::chapters) const CASES: &[Case] = &[
    Case::exchange(
        Interface::MemRetrieveReq,
        "less-and-more",
        "DEN0140 2.4, 1.10.2, 1.10.3; table 1.15",
        Instance::SECURE,
        less_and_more,
        side,
    ),
    Case::exchange(
        Interface::MemRetrieveReq,
        "of-others",
        "DEN0140 2.4; tables 1.20, 1.22",
        Instance::SECURE,
        of_others,
        side,
    ),
    Case::exchange(
        Interface::MemRetrieveReq,
        "kinds",
        "DEN0140 2.4; table 1.22",
        Instance::SECURE,
        kinds,
        side,
    ),
    Case::exchange(Interface::MemRetrieveReq, "twice", "DEN0140 2.4", Instance::SECURE, twice, side),
    Case::exchange(
        Interface::MemRetrieveReq,
        "to-several",
        "DEN0140 2.4",
        Instance::SECURE,
        to_several,
        side,
    ),
    Case::exchange(
        Interface::MemRetrieveReq,
        "buffer-full",
        "DEN0140 2.4",
        Instance::SECURE,
        buffer_full,
        side,
    ),
    Case::exchange(
        Interface::MemRetrieveReq,
        "zeroed",
        "DEN0140 2.4; tables 1.21, 1.22",
        Instance::SECURE,
        zeroed,
        side,
    ),
    Case::exchange(
        Interface::MemRetrieveReq,
        "by-hypervisor",
        "DEN0140 2.4.3",
        Instance::NORMAL,
        by_hypervisor,
        side,
    ),
    Case::alone(Interface::MemRetrieveResp, "not-a-call", "DEN0140 2.5", Instance::ALL, not_a_call)
        .with_partners(PEERS),
];

/// A receiver may ask for less than it was offered, but not for more.
fn less_and_more(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let partner = Partner::PeerMp;
    for (offered, wanted, got) in [
        (READ_ONLY, 0, Some(0b0101_u64)),
        (READ_ONLY, READ_ONLY, Some(0b0101_u64)),
        (READ_ONLY, READ_WRITE, None),
        (READ_WRITE, READ_ONLY, Some(0b0101_u64)),
        (READ_WRITE, READ_WRITE, Some(0b0110)),
        // Non-secure memory is not executable for a partition.
        (READ_ONLY, READ_ONLY | EXECUTABLE, None),
        (READ_WRITE, READ_WRITE | EXECUTABLE, None),
    ] {
        let sent = handle(&send_own(normal.endpoint(), FuncId::MemShare32, partner.id(), offered, 0))?;
        let mut side = Side { normal, partner };
        match got {
            None => side.retrieves_not(sent, permitted(wanted), 0, &EITHER)?,
            Some(got) => {
                let told = side.retrieves(sent, permitted(wanted), 0)?;
                same(told.permissions, got)?;
                side.relinquishes(sent, 0)?;
            }
        }
        reclaim(side.normal.endpoint(), sent, 0).success()?;
    }
    Ok(())
}

/// Neither what was sent to others, nor by others, nor what is none.
fn of_others(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let receiver = Partner::PeerMp;
    let sent = handle(&send_own(normal.endpoint(), FuncId::MemShare32, receiver.id(), READ_WRITE, 0))?;
    for partner in [Partner::PeerUp, Partner::Old11, Partner::Old10] {
        Side { normal, partner }.retrieves_not(sent, 0, 0, &EITHER)?;
    }
    let mut side = Side { normal, partner: receiver };
    for sender in [1, u64::from(Partner::PeerUp.id()), u64::from(receiver.id())] {
        side.retrieves_not(sent, sender, 0, &EITHER)?;
    }
    // With somebody who is no receiver.
    side.retrieves_not(sent, u64::from(Partner::PeerUp.id()) << 32, 0, &EITHER)?;
    for wrong in [0, sent ^ 1 << 32, sent ^ 1 << 62, u64::MAX] {
        side.retrieves_not(wrong, 0, 0, &[InvalidParameters])?;
    }
    side.retrieves(sent, 0, 0)?;
    side.relinquishes(sent, 0)?;
    reclaim(normal.endpoint(), sent, 0).success()
}

/// A receiver that says what it expects gets it, or nothing; reserved flags are refused.
fn kinds(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let partner = Partner::PeerUp;
    for (function, kind) in [(FuncId::MemShare32, SHARED), (FuncId::MemLend32, LENT)] {
        let sent = handle(&send_own(normal.endpoint(), function, partner.id(), READ_WRITE, 0))?;
        let mut side = Side { normal, partner };
        for other in [SHARED, LENT, DONATED].into_iter().filter(|other| *other != kind) {
            side.retrieves_not(sent, 0, other, &[InvalidParameters])?;
        }
        for reserved in [1 << 11, 1 << 31] {
            side.retrieves_not(sent, 0, kind | reserved, &[InvalidParameters])?;
        }
        side.retrieves(sent, 0, kind)?;
        side.relinquishes(sent, 0)?;
        reclaim(normal.endpoint(), sent, 0).success()?;
    }
    Ok(())
}

/// Once, until it is relinquished.
fn twice(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let partner = Partner::PeerMp;
    let sent = handle(&send_own(normal.endpoint(), FuncId::MemLend32, partner.id(), READ_WRITE, 0))?;
    let mut side = Side { normal, partner };
    for _ in 0..2 {
        side.retrieves(sent, 0, 0)?;
        side.retrieves_not(sent, 0, 0, &[Denied])?;
        side.relinquishes(sent, 0)?;
    }
    reclaim(normal.endpoint(), sent, 0).success()
}

/// Each of several receivers has it until it gives it back; the owner gets it from the last one.
fn to_several(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let (mp, up) = (Partner::PeerMp, Partner::PeerUp);
    let page = normal.pages() + OWN;
    let receivers = [(mp.id(), READ_WRITE), (up.id(), READ_WRITE)];
    let region = Region { sender: 0, flags: 0, handle: 0, receivers: &receivers, ranges: &[(page, 1)] };
    for function in [FuncId::MemShare32, FuncId::MemLend32] {
        let sent = handle(&send(normal.endpoint(), function, &region))?;
        let mut first = Side { normal, partner: mp };
        // It has to name the other, or to say that it does not.
        first.retrieves_not(sent, 0, 0, &[InvalidParameters])?;
        first.retrieves(sent, 0, BYPASS)?;
        let mut second = Side { normal, partner: up };
        second.retrieves(sent, u64::from(mp.id()) << 32, 0)?;
        let value = second.normal.random();
        second.stores(page, false, value)?;
        same(Side { normal, partner: mp }.loads(page, false)?, value)?;
        reclaim(normal.endpoint(), sent, 0).error(Denied)?;
        Side { normal, partner: mp }.relinquishes(sent, 0)?;
        reclaim(normal.endpoint(), sent, 0).error(Denied)?;
        Side { normal, partner: up }.relinquishes(sent, 0)?;
        reclaim(normal.endpoint(), sent, 0).success()?;
    }
    Ok(())
}

/// There is no place for the answer; nothing has happened.
fn buffer_full(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let partner = Partner::PeerUp;
    let sent = handle(&send_own(normal.endpoint(), FuncId::MemShare32, partner.id(), READ_WRITE, 0))?;
    let mut side = Side { normal, partner };
    side.step([STEP_FILL, 0, 0, 0])?;
    side.retrieves_not(sent, 0, 0, &[Busy])?;
    reclaim(normal.endpoint(), sent, 0).success()
}

/// Zeros before the receiver has it, if the sender said so; after, if the receiver does.
fn zeroed(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let partner = Partner::PeerMp;
    let page = normal.pages() + OWN;
    for (sending, retrieving) in [(ZERO, 0), (ZERO, ZERO), (0, ZERO_AFTER)] {
        let value = normal.random() | 1;
        normal.write(OWN, &value.to_le_bytes());
        let sent =
            handle(&send_own(normal.endpoint(), FuncId::MemLend32, partner.id(), READ_WRITE, sending))?;
        let mut side = Side { normal, partner };
        side.retrieves(sent, 0, retrieving)?;
        let expected = if sending == ZERO { 0 } else { value };
        same(side.loads(page, false)?, expected)?;
        side.stores(page, false, value)?;
        side.relinquishes(sent, 0)?;
        reclaim(normal.endpoint(), sent, 0).success()?;
        let expected = if retrieving == ZERO_AFTER { 0 } else { value };
        same(word(normal.endpoint(), OWN), expected)?;
    }
    // It wants zeros, and there are none.
    let sent = handle(&send_own(normal.endpoint(), FuncId::MemLend32, partner.id(), READ_WRITE, 0))?;
    Side { normal, partner }.retrieves_not(sent, 0, ZERO, &EITHER)?;
    reclaim(normal.endpoint(), sent, 0).success()?;
    // What the sender keeps is zeroed for nobody.
    let sent = handle(&send_own(normal.endpoint(), FuncId::MemShare32, partner.id(), READ_WRITE, 0))?;
    for flags in [ZERO, ZERO_AFTER] {
        Side { normal, partner }.retrieves_not(sent, 0, flags, &EITHER)?;
    }
    reclaim(normal.endpoint(), sent, 0).success()
}

/// It completes a request; nobody calls it.
fn not_a_call(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    call(endpoint, FuncId::MemRetrieveResp, &[64, 64]).error_of(&[NotSupported, InvalidParameters, Denied])
}

/// A hypervisor learns what it has sent by the handle alone.
fn by_hypervisor(normal: &mut dyn NormalWorld) -> Outcome {
    map_all(normal)?;
    let endpoint = normal.endpoint();
    let page = endpoint.pages() + OWN;
    let sent = handle(&send_own(endpoint, FuncId::MemLend32, Partner::PeerMp.id(), READ_WRITE, 0))?;
    let ask = Region { sender: 0, flags: 0, handle: sent, receivers: &[], ranges: &[] };
    // No access descriptors, and no size of any.
    let length = describe(endpoint, &ask);
    put(endpoint, 24, &[0, 0, 0]);
    let answer = call(endpoint, FuncId::MemRetrieveReq32, &[length, length]);
    answer.is(FuncId::MemRetrieveResp)?;
    let told = response(endpoint);
    same(told.pages, 1_u64)?;
    same(word(endpoint, told.constituents), page)?;
    same(word(endpoint, 8), sent)?;
    call(endpoint, FuncId::RxRelease, &[]).success()?;
    put(endpoint, 8, &[sent ^ 1 << 32]);
    call(endpoint, FuncId::MemRetrieveReq32, &[length, length]).error(InvalidParameters)?;
    reclaim(endpoint, sent, 0).success()
}

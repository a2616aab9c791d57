// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_FRAG_TX and FFA_MEM_FRAG_RX (DEN0140 2.8): descriptors that are longer than a buffer.

use super::descriptors::{CONSTITUENT, READ_WRITE, Region, describe_head, put};
use super::steps::{Side, side};
use super::{PEERS, handle, reclaim};
use crate::case::{Case, Instance};
use crate::endpoint::{Answer, Endpoint, PAGE, PAGES, SPARE_PAGES, call, map_buffers};
use crate::exchange::NormalWorld;
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FfaError::InvalidParameters;
use arm_ffa::FuncId;

/// Pages that are sent, each of them alone: more than one buffer describes.
const COUNT: u64 = 300;
const _: () = assert!(2 * (COUNT + 1) <= SPARE_PAGES);

pub(in crate::chapters) const CASES: &[Case] = &[
    Case::exchange(Interface::MemFragTx, "long", "DEN0140 2.8", Instance::ALL_NORMAL, long, side),
    Case::exchange(Interface::MemFragTx, "short-pieces", "DEN0140 2.8", Instance::ALL_NORMAL, pieces, side),
    Case::exchange(Interface::MemFragRx, "long", "DEN0140 2.8", Instance::ALL_SECURE, long, side),
    Case::alone(Interface::MemFragTx, "unknown", "DEN0140 2.8", Instance::ALL, unknown_tx)
        .with_partners(PEERS),
    Case::alone(Interface::MemFragRx, "unknown", "DEN0140 2.8", Instance::ALL, unknown_rx)
        .with_partners(PEERS),
    Case::exchange(Interface::MemFragTx, "too-much", "DEN0140 2.8", Instance::ALL_NORMAL, too_much, side),
];

/// The n-th page.
fn page(endpoint: &dyn Endpoint, number: u64) -> u64 {
    endpoint.pages() + (PAGES + 2 + 2 * number) * PAGE
}

/// Writes constituents from an offset of the TX buffer on; returns where they end.
fn put_pages(endpoint: &mut dyn Endpoint, mut at: u64, numbers: core::ops::Range<u64>) -> u64 {
    for number in numbers {
        let start = page(endpoint, number);
        put(endpoint, at, &[start, 1]);
        at += CONSTITUENT;
    }
    at
}

/// Requires that a descriptor goes on at an offset; returns the handle.
#[track_caller]
fn goes_on(answer: &Answer, offset: u64) -> Outcome<u64> {
    answer.is(FuncId::MemFragRx)?;
    same(answer.w(3), offset)?;
    Ok(u64::from(answer.w(1)) | u64::from(answer.w(2)) << 32)
}

fn more(endpoint: &mut dyn Endpoint, handle: u64, length: u64) -> Answer {
    call(endpoint, FuncId::MemFragTx, &[handle & 0xffff_ffff, handle >> 32, length])
}

/// Shares pages `0..count` with a partition, with `first` of them in the first fragment and `each` in the others.
fn share(endpoint: &mut dyn Endpoint, to: Partner, count: u64, first: u64, each: u64) -> Outcome<u64> {
    let receivers = [(to.id(), READ_WRITE)];
    let region = Region { sender: 0, flags: 0, handle: 0, receivers: &receivers, ranges: &[] };
    let head = describe_head(endpoint, &region, count, count);
    let total = head + count * CONSTITUENT;
    let mut sent = put_pages(endpoint, head, 0..first);
    let mut answer = call(endpoint, FuncId::MemShare32, &[total, sent]);
    let mut known = None;
    let mut number = first;
    while number < count {
        let on = goes_on(&answer, sent)?;
        ensure(known.is_none_or(|known| known == on), [on, number, 0])?;
        known = Some(on);
        let next = count.min(number + each);
        let length = put_pages(endpoint, 0, number..next);
        answer = more(endpoint, on, length);
        sent += length;
        number = next;
    }
    let done = handle(&answer)?;
    ensure(known.is_none_or(|known| known == done), [done, 0, 0])?;
    Ok(done)
}

/// Lets a partition retrieve pages `0..count`, and give them back.
fn retrieve(normal: &mut dyn NormalWorld, partner: Partner, sent: u64, count: u64) -> Outcome {
    let first = page(normal, 0);
    let all = (0..count).fold(0, |all, number| all ^ page(normal, number));
    let mut side = Side { normal, partner };
    let told = side.retrieves(sent, 0, 0)?;
    same(told.first, first)?;
    same(told.pages, count)?;
    same(told.all, all)?;
    side.relinquishes(sent, 0)?;
    reclaim(normal.endpoint(), sent, 0).success()
}

/// A long descriptor to partitions of each version, which get it in fragments, too.
fn long(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    for partner in [Partner::PeerMp, Partner::Old11, Partner::Old10] {
        Side { normal, partner }.map()?;
        let sent = share(normal.endpoint(), partner, COUNT, 240, 256)?;
        retrieve(normal, partner, sent, COUNT)?;
    }
    Ok(())
}

/// Fragments may be shorter than the buffer.
fn pieces(normal: &mut dyn NormalWorld) -> Outcome {
    map_buffers(normal.endpoint())?;
    let partner = Partner::PeerUp;
    Side { normal, partner }.map()?;
    for (count, first, each) in [(2, 1, 1), (5, 1, 2), (9, 3, 3), (4, 0, 4)] {
        let sent = share(normal.endpoint(), partner, count, first, each)?;
        retrieve(normal, partner, sent, count)?;
    }
    Ok(())
}

fn unknown_tx(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    for handle in [0, 1, 1 << 32, u64::MAX] {
        put(endpoint, 0, &[0, 1]);
        more(endpoint, handle, CONSTITUENT).error(InvalidParameters)?;
    }
    Ok(())
}

fn unknown_rx(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    for handle in [0, 1, 1 << 32, u64::MAX] {
        for offset in [0, 16, 4096] {
            let answer = call(endpoint, FuncId::MemFragRx, &[handle & 0xffff_ffff, handle >> 32, offset]);
            answer.error(InvalidParameters)?;
        }
    }
    Ok(())
}

/// A fragment that goes beyond the end, and one after the last.
fn too_much(normal: &mut dyn NormalWorld) -> Outcome {
    let endpoint = normal.endpoint();
    map_buffers(endpoint)?;
    let to = Partner::PeerUp;
    let receivers = [(to.id(), READ_WRITE)];
    let region = Region { sender: 0, flags: 0, handle: 0, receivers: &receivers, ranges: &[] };
    let head = describe_head(endpoint, &region, 2, 2);
    let sent = put_pages(endpoint, head, 0..1);
    let on = goes_on(&call(endpoint, FuncId::MemShare32, &[head + 2 * CONSTITUENT, sent]), sent)?;
    let length = put_pages(endpoint, 0, 1..3);
    more(endpoint, on, length).error(InvalidParameters)?;
    // Whatever became of it, its pages are free again.
    let _ = reclaim(endpoint, on, 0);
    let sent = share(endpoint, to, 2, 1, 1)?;
    let length = put_pages(endpoint, 0, 2..3);
    more(endpoint, sent, length).error(InvalidParameters)?;
    reclaim(endpoint, sent, 0).success()
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Buffers for messages: the SPMC knows the hypervisor's alone. What the host sends is copied into them, and what it is to
//! get is copied from them.

use crate::{
    platform::{self, PAGE},
    stage2,
};
use nwd::{Region, ffa, ram::Ram};
use spin::mutex::SpinMutex;

/// The host's pair: where it writes, and where it reads.
#[derive(Clone, Copy)]
struct Pair {
    transmit: u64,
    receive: u64,
}

static HOST: SpinMutex<Option<Pair>> = SpinMutex::new(None);

/// Makes the hypervisor's own pair known to the SPMC.
pub(crate) fn start() -> Result<(), ffa::CallError> {
    let [transmit, receive] = platform::buffers();
    ffa::rxtx_map(&receive, &transmit)
}

/// Takes the host's pair; both pages must be its own, and stay so.
pub(crate) fn map(transmit: u64, receive: u64) -> bool {
    let mut host = HOST.lock();
    let fits = host.is_none()
        && transmit != receive
        && [transmit, receive].into_iter().all(|page| page.is_multiple_of(PAGE) && stage2::is_hosts(page));
    if fits {
        *host = Some(Pair { transmit, receive });
    }
    fits
}

/// Gives the host's pair back.
pub(crate) fn unmap() -> bool {
    HOST.lock().take().is_some()
}

/// Tells whether a page is one of the host's pair.
pub(crate) fn holds(page: u64) -> bool {
    HOST.lock().is_some_and(|pair| pair.transmit == page || pair.receive == page)
}

fn page(base: u64) -> Option<Ram> {
    platform::memory(Region { base, size: PAGE })
}

/// Copies what the host wrote into the hypervisor's buffer, where it does not change any more, and returns that.
pub(crate) fn take(length: u64) -> Option<Ram> {
    let host = (*HOST.lock())?;
    let [transmit, _] = platform::buffers();
    copy(&page(host.transmit)?, &transmit, length)?;
    Some(transmit)
}

/// Copies what the SPMC wrote into the host's buffer.
pub(crate) fn hand_over() -> Option<()> {
    let host = (*HOST.lock())?;
    let [_, receive] = platform::buffers();
    copy(&receive, &page(host.receive)?, PAGE)
}

fn copy(from: &Ram, to: &Ram, length: u64) -> Option<()> {
    if length > PAGE || !length.is_multiple_of(8) {
        return None;
    }
    for at in (0..length).step_by(8) {
        to.write(at, &from.word(at).to_le_bytes());
    }
    Some(())
}

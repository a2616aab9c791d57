// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The guest, as far as devices are concerned: its pages. The host gives them by HVC and gets them back, as it would to
//! run a guest; the guest fills them, and says whether they are as it left them.

use crate::{
    device,
    platform::{self, PAGE, TARGET},
    sharing,
    smc::NOT_SUPPORTED,
    stage2,
    trap::Frame,
};
use ffa_abi::{HypRequest, PageOwner, Pages, PhysAddr};
use nwd::{
    Region,
    hyp::{Hyp, MoveError},
    hypercall::{self, Call},
    ram::Ram,
    random::Random,
};
use spin::mutex::SpinMutex;

/// The one guest.
pub(crate) const GUEST: PageOwner = PageOwner::Guest(1);

/// The service as this hypervisor speaks with it; whoever moves a page holds it.
static HYP: SpinMutex<Option<Hyp>> = SpinMutex::new(None);

/// Keeps what the claim gave.
pub(crate) fn start(hyp: Hyp) {
    *HYP.lock() = Some(hyp);
}

/// Does something while no page changes its owner.
pub(crate) fn while_nothing_moves<R>(work: impl FnOnce() -> R) -> R {
    let _moves = HYP.lock();
    work()
}

/// Answers an HVC.
pub(crate) fn call(frame: &mut Frame) {
    let Some(call) = Call::from_function(frame.x[0]) else {
        frame.x[0] = NOT_SUPPORTED;
        return;
    };
    let guard = HYP.lock();
    let Some(hyp) = guard.as_ref() else {
        frame.x[0] = NOT_SUPPORTED;
        return;
    };
    let (first, second) = (frame.x[1], frame.x[2]);
    let answer = match call {
        Call::Give => give(hyp, first),
        Call::TakeBack => take_back(hyp, first),
        Call::Share => shared(hyp, first, HypRequest::Share, true),
        Call::Unshare => shared(hyp, first, HypRequest::Unshare, false),
        Call::Fill => page(first).map(|page| fill(&page, second)).ok_or([hypercall::NOT_A_GUESTS, 0, 0]),
        Call::Differing => {
            page(first).map(|page| differing(&page, second)).ok_or([hypercall::NOT_A_GUESTS, 0, 0])
        }
        Call::Target => Ok(TARGET.base),
        Call::Digest => {
            platform::any_page(first).map(|page| digest(&page)).ok_or([hypercall::NOT_A_GUESTS, 0, 0])
        }
        Call::Assign => device::assign(hyp, first, second),
        Call::Return => device::give_back(hyp, first),
        Call::Transfer => device::transfer(first, second != 0),
        Call::Reports => device::reports(hyp, first),
        Call::WrongKeys => hyp.wrong_keys().map_err(|_| [hypercall::SERVICE, 0, 0]),
    };
    let [x0, x1, x2] = match answer {
        Ok(value) => [hypercall::DONE, value, 0],
        Err(refusal) => refusal,
    };
    (frame.x[0], frame.x[1], frame.x[2]) = (x0, x1, x2);
}

/// What a call answers: a value, or why not: a reason, a status and an address.
pub(crate) type Answer = Result<u64, [u64; 3]>;

fn one(address: u64) -> Pages {
    Pages { first: PhysAddr(address), count: 1 }
}

fn refused(error: MoveError) -> [u64; 3] {
    match error {
        MoveError::InTheWay(status, at) => [hypercall::SERVICE, u64::from(u32::from(status)), at],
        MoveError::Iommu(_) => [hypercall::SERVICE, 0, 0],
    }
}

/// A page of the host's becomes the guest's: first the host's cores lose it, then its devices; if they have it mapped,
/// it stays the host's.
fn give(hyp: &Hyp, address: u64) -> Answer {
    if !stage2::is_hosts(address) || sharing::holds(address) {
        return Err([hypercall::NOT_THE_HOSTS, 0, 0]);
    }
    reach(address, false)?;
    match hyp.change(HypRequest::Own(one(address), GUEST)) {
        Ok(()) => Ok(0),
        Err(error) => {
            reach(address, true)?;
            Err(refused(error))
        }
    }
}

/// The guest is done with a page: it is emptied, then the host's again.
fn take_back(hyp: &Hyp, address: u64) -> Answer {
    let page = page(address).filter(|_| is_guests(hyp, address)).ok_or([hypercall::NOT_A_GUESTS, 0, 0])?;
    for offset in (0..PAGE).step_by(8) {
        page.write(offset, &[0; 8]);
    }
    hyp.change(HypRequest::Disown(one(address), GUEST)).map_err(refused)?;
    reach(address, true)?;
    Ok(0)
}

/// The guest shares a page with the host and its devices, or ends that.
fn shared(hyp: &Hyp, address: u64, request: fn(Pages, PageOwner) -> HypRequest, reachable: bool) -> Answer {
    if !is_guests(hyp, address) {
        return Err([hypercall::NOT_A_GUESTS, 0, 0]);
    }
    hyp.change(request(one(address), GUEST)).map_err(refused)?;
    reach(address, reachable)?;
    Ok(0)
}

fn is_guests(hyp: &Hyp, address: u64) -> bool {
    hyp.page(PhysAddr(address)).is_ok_and(|state| state.owner == GUEST)
}

fn reach(address: u64, reachable: bool) -> Result<(), [u64; 3]> {
    stage2::set(address, reachable).map_err(|_| [hypercall::NOT_THE_HOSTS, 0, 0])
}

/// Returns a page whose content can be a witness: one that the host cannot look into, or the hypervisor's own.
fn page(address: u64) -> Option<Ram> {
    let page = Region { base: address, size: PAGE };
    if page == TARGET { Some(platform::target()) } else { platform::memory(page) }
}

fn fill(page: &Ram, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    for offset in (0..PAGE).step_by(8) {
        page.write(offset, &random.word().to_le_bytes());
    }
    PAGE
}

/// Returns how many bytes are not as they were left.
fn differing(page: &Ram, seed: u64) -> u64 {
    let mut random = Random::new(seed);
    (0..PAGE)
        .step_by(8)
        .map(|offset| {
            let (left, now) = (random.word().to_le_bytes(), page.word(offset).to_le_bytes());
            left.iter().zip(now).filter(|(left, now)| **left != *now).count() as u64
        })
        .sum()
}

/// Returns a number that another content hardly has (FNV-1a).
fn digest(page: &Ram) -> u64 {
    (0..PAGE)
        .step_by(8)
        .fold(0xcbf2_9ce4_8422_2325, |hash, offset| (hash ^ page.word(offset)).wrapping_mul(0x0100_0000_01b3))
}

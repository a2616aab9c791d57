// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A message and its answer, and other cores' messages in its middle.

use super::{Cost, Inner, Machine};
use crate::finding::Invariant;
use crate::machine::edge::Endless;
use crate::oracle::Domain;
use crate::script::{Act, Step};
use ffa_abi::{
    DeviceState, DomainHandle, DomainKind, HypMessage, Iova, PhysAddr, Protection, Registers, Request,
    Response, SmmuIndex, Status, StreamId,
};
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// The endpoint of the host.
const HOST: u16 = 0;
/// How often a domain is asked to be freed before that is called endless.
const MOST_FREES: usize = 64;

thread_local! {
    /// Words and place of the last panic.
    static PANIC: RefCell<String> = const { RefCell::new(String::new()) };
    /// Messages that are under way.
    static SENDING: Cell<u32> = const { Cell::new(0) };
}

/// Keeps what a panic says to itself: it becomes a finding.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if SENDING.get() == 0 {
                usual(info);
            }
            PANIC.with_borrow_mut(|last| *last = info.to_string());
        }));
    });
}

impl Inner {
    /// Returns the handle of a label; one that was never given has none that exists.
    fn handle(&self, label: u8) -> Option<DomainHandle> {
        let given = self.labels.get(&label).copied().and_then(DomainHandle::from_raw);
        given.or_else(|| DomainHandle::new(usize::from(label), DomainHandle::MAX_GENERATION))
    }

    /// Has devices try what a request is about, before it is sent and after it was answered.
    fn attend_to(&mut self, request: &Request) {
        if let Request::Map { domain, iova, size, .. } | Request::Unmap { domain, iova, size } = *request {
            self.attend(iova.0, size.min(0x4000_0000));
            self.strike_at(domain, iova.0, size);
        }
    }

    /// Returns the domain that a label names, if it exists.
    pub(crate) fn domain_of(&self, label: u8) -> Option<&Domain> {
        self.oracle.domain(*self.labels.get(&label)?)
    }

    /// Returns the message that an act sends, if it sends one.
    fn message(&self, act: &Act) -> Option<(u16, Registers)> {
        let request = match *act {
            Act::Alloc { smmu, .. } => {
                Request::DomainAlloc { smmu: SmmuIndex(smmu), kind: DomainKind::Paging }
            }
            Act::Free { label } => Request::DomainFree(self.handle(label)?),
            Act::Attach { smmu, stream, label } => Request::DeviceSetState {
                smmu: SmmuIndex(smmu),
                sid: StreamId(stream),
                state: DeviceState::Paging(self.handle(label)?),
            },
            Act::Block { smmu, stream } => Request::DeviceSetState {
                smmu: SmmuIndex(smmu),
                sid: StreamId(stream),
                state: DeviceState::Blocked,
            },
            Act::Map { label, iova, pa, size, access } => Request::Map {
                domain: self.handle(label)?,
                iova: Iova(iova),
                pa: PhysAddr(pa),
                size,
                protection: Protection::from_bits_truncate(access),
            },
            Act::Unmap { label, iova, size } => {
                Request::Unmap { domain: self.handle(label)?, iova: Iova(iova), size }
            }
            Act::Look { label, iova } => Request::IovaToPa { domain: self.handle(label)?, iova: Iova(iova) },
            Act::Poll => Request::FaultPoll,
            Act::Raw { endpoint, registers } => return Some((endpoint, registers)),
            _ => return None,
        };
        Some((HOST, request.encode()))
    }
}

impl Machine {
    /// Does a step, and whatever other cores do meanwhile.
    pub(crate) fn run(&self, step: &Step) {
        self.inner().prepare(step.seed, step.gap, step.meanwhile.clone());
        self.act(&step.act);
        self.inner().meanwhile.clear();
        self.sweep();
    }

    /// Does what another core does in the middle of a message.
    pub(super) fn interrupt(&self, act: &Act) {
        let mut inner = self.inner();
        let (core, cost) = (inner.core, inner.cost);
        inner.core = core + 1;
        inner.counts.met += 1;
        inner.cost = Cost::default();
        drop(inner);
        self.act(act);
        let mut inner = self.inner();
        (inner.core, inner.cost) = (core, cost);
        // What this core is in the middle of is what devices try.
        for request in inner.oracle.under_way() {
            inner.attend_to(&request);
        }
    }

    fn act(&self, act: &Act) {
        let message = self.inner().message(act);
        if let Some((endpoint, registers)) = message {
            let response = self.send(endpoint, registers);
            if let (Act::Alloc { label, .. }, Some(Response { status: Status::Ok, values: [raw, ..] })) =
                (act, response)
            {
                self.inner().labels.insert(*label, crate::architecture::low(raw));
            }
            return;
        }
        let mut inner = self.inner();
        match *act {
            Act::Burst { count } => (0..count).for_each(|_| inner.strike()),
            Act::Wedge { smmu } => inner.hurt(smmu, |smmu, _| smmu.wedge()),
            Act::Error { smmu, error } => inner.hurt(smmu, |smmu, _| smmu.raise(error)),
            Act::Power { smmu } => inner.hurt(smmu, |smmu, random| smmu.lose_power(random)),
            Act::Tamper { word, value } => {
                inner.oracle.tampered = true;
                inner.around.findings.forgive();
                let at = inner.around.memory.address(usize::try_from(word).unwrap_or(usize::MAX / 16));
                // Outside of the pool there is nothing to tamper with.
                let _: Result<(), _> = inner.around.memory.write(at, value);
            }
            Act::Settle => {
                drop(inner);
                self.settle();
            }
            _ => {}
        }
    }

    /// Sends a message and judges the answer.
    fn send(&self, endpoint: u16, registers: Registers) -> Option<Response> {
        let service = *self.service.get()?;
        let request = Request::decode(registers);
        // There is no hypervisor here: what it would say changes nothing.
        let of_hyp = endpoint == HOST && HypMessage::of(registers).is_some();
        let known = endpoint == HOST && !of_hyp;
        let mut inner = self.inner();
        let core = inner.core;
        if let Ok(request) = request
            && known
        {
            inner.attend_to(&request);
            inner.oracle.begin(core, request);
        }
        inner.cost = Cost::default();
        inner.around.memory.begun(core);
        drop(inner);
        listen();
        SENDING.set(SENDING.get() + 1);
        let answer = panic::catch_unwind(AssertUnwindSafe(|| service.handle(endpoint, registers)));
        SENDING.set(SENDING.get() - 1);
        let available = self.available();
        let mut inner = self.inner();
        let answer = match answer {
            Ok(answer) => answer,
            Err(thrown) => {
                inner.note(Invariant::Bound, || match thrown.downcast_ref::<Endless>() {
                    Some(Endless) => format!("the message {registers:x?} does not end"),
                    None => format!("the message {registers:x?}: {}", PANIC.with_borrow(Clone::clone)),
                });
                return None;
            }
        };
        inner.around.memory.answered(core);
        inner.check_cost();
        inner.counts.messages += 1;
        registers.into_iter().chain(answer).for_each(|word| inner.stir(word));
        let Some(response) = Response::decode(answer) else {
            inner.note(Invariant::Service, || format!("the answer {answer:x?} has no status"));
            return None;
        };
        inner.counts.accepted += u64::from(response.status == Status::Ok);
        let judged = match request {
            _ if of_hyp => Ok(()),
            _ if !known => expect(&response, Status::Denied),
            Ok(_) => inner.oracle.end(core, &response, available),
            Err(status) => expect(&response, status),
        };
        if let Err(why) = judged {
            inner.note(Invariant::Service, || why);
        }
        if let Ok(request) = request
            && known
        {
            inner.attend_to(&request);
        }
        Some(response)
    }

    /// Blocks all devices, frees all domains, and finds out whether everything came back.
    fn settle(&self) {
        let (policy, hurt) = {
            let inner = self.inner();
            let smmus = u16::try_from(inner.policy.smmus.len()).unwrap_or(0);
            (inner.policy, (0..smmus).any(|smmu| !inner.oracle.works(smmu)))
        };
        for device in policy.devices.iter().filter(|device| device.holders.host) {
            let (smmu, sid) = (SmmuIndex(device.smmu.into()), StreamId(device.first_sid));
            self.send(HOST, Request::DeviceSetState { smmu, sid, state: DeviceState::Blocked }.encode());
        }
        let handles = self.inner().oracle.handles();
        for handle in handles.into_iter().filter_map(DomainHandle::from_raw) {
            for _ in 0..MOST_FREES {
                let answer = self.send(HOST, Request::DomainFree(handle).encode());
                if answer.is_none_or(|response| response.status != Status::Again) {
                    break;
                }
            }
        }
        let (available, tables) = (self.available(), self.tables.get().copied().unwrap_or(0));
        let mut inner = self.inner();
        if available != tables && !hurt && !inner.oracle.tampered {
            inner.note(Invariant::Balance, || format!("{available} of {tables} pages came back"));
        }
    }
}

impl Inner {
    fn hurt(&mut self, smmu: u16, how: impl FnOnce(&mut crate::smmu::Smmu, &mut crate::random::Random)) {
        let Self { smmus, around, .. } = self;
        if let Some(found) = smmus.get_mut(usize::from(smmu)) {
            how(found, &mut around.random);
            self.oracle.hurt(smmu);
        }
    }
}

fn expect(response: &Response, status: Status) -> Result<(), String> {
    if response.status == status {
        Ok(())
    } else {
        Err(format!("{:?} in place of {status:?}", response.status))
    }
}

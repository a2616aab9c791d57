// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A message and its answer, and other cores' messages in its middle.

use super::acts::HOST;
use super::edge::Endless;
use super::{Cost, Inner, Machine};
use crate::finding::Invariant;
use crate::oracle::{Asked, Beside};
use crate::script::{Act, Step};
use ffa_abi::{HypMessage, HypRequest, Registers, Request, Response, Status};
use std::cell::{Cell, RefCell};
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

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

impl Machine {
    /// Does a step, and whatever other cores do meanwhile.
    pub(crate) fn run(&self, step: &Step) {
        self.inner().prepare(step.seed, step.gap, step.meanwhile.clone());
        self.act(&step.act);
        self.inner().meanwhile.clear();
        self.deliver();
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
        for asked in inner.oracle.under_way() {
            let concerned = inner.concerned(&asked);
            inner.attend_to(&concerned);
        }
    }

    /// Sends a message and judges the answer.
    pub(super) fn send(&self, endpoint: u16, registers: Registers) -> Option<Response> {
        let service = *self.service.get()?;
        let mut inner = self.inner();
        let core = inner.core;
        let asked = inner.admit(endpoint, registers);
        let concerned = asked.as_ref().map_or_else(|_| Vec::new(), |asked| inner.concerned(asked));
        inner.attend_to(&concerned);
        if let Ok(asked) = asked {
            inner.oracle.begin(core, asked);
        }
        inner.cost = Cost::default();
        let polls =
            matches!(asked, Ok(Asked::Kernel(Request::FaultPoll) | Asked::Hyp(HypRequest::FaultPoll)));
        let looked = std::mem::replace(&mut inner.looking, polls);
        let granted_before = std::mem::take(&mut inner.granted);
        inner.around.memory.begun(core);
        drop(inner);
        let answer = self.guarded(|| service.handle(endpoint, registers), || format!("{registers:x?}"));
        let available = self.left_for_the_kernel();
        let mut inner = self.inner();
        inner.looking = looked;
        if polls {
            inner.polled();
        }
        let answer = answer?;
        let granted = std::mem::replace(&mut inner.granted, granted_before);
        inner.around.memory.answered(core);
        inner.check_cost();
        inner.counts.messages += 1;
        registers.into_iter().chain(answer).for_each(|word| inner.stir(word));
        let Some(response) = Response::decode(answer) else {
            inner.note(Invariant::Service, || format!("the answer {answer:x?} has no status"));
            return None;
        };
        inner.counts.accepted += u64::from(response.status == Status::Ok);
        let judged = match asked {
            Ok(_) => inner.oracle.end(core, &response, &Beside { available, granted }),
            Err(status) if response.status == status => Ok(()),
            Err(status) => Err(format!("{registers:x?}: {:?} in place of {status:?}", response.status)),
        };
        if let Err(why) = judged {
            inner.note(Invariant::Service, || why);
        }
        inner.attend_to(&concerned);
        Some(response)
    }

    /// Calls the service. A panic is a finding, and so is a call that does not end; `what` says which call.
    pub(super) fn guarded<R>(&self, call: impl FnOnce() -> R, what: impl FnOnce() -> String) -> Option<R> {
        listen();
        SENDING.set(SENDING.get() + 1);
        let result = panic::catch_unwind(AssertUnwindSafe(call));
        SENDING.set(SENDING.get() - 1);
        let thrown = match result {
            Ok(result) => return Some(result),
            Err(thrown) => thrown,
        };
        self.inner().note(Invariant::Bound, || match thrown.downcast_ref::<Endless>() {
            Some(Endless) => format!("{} does not end", what()),
            None => format!("{}: {}", what(), PANIC.with_borrow(Clone::clone)),
        });
        None
    }
}

impl Inner {
    /// Reads a message as the protocol demands: what it asks for, or what it has to be answered whatever it asks for.
    fn admit(&mut self, endpoint: u16, registers: Registers) -> Result<Asked, Status> {
        if endpoint != HOST {
            return Err(Status::Denied);
        }
        if let Some(message) = HypMessage::of(registers) {
            self.oracle.admit_hyp(&message)?;
            return message.request().map(Asked::Hyp);
        }
        let request = Request::decode(registers)?;
        self.oracle.admit(&request)?;
        Ok(Asked::Kernel(request))
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a vCPU was given its core for, and by whom: it decides how the vCPU may give it back (FF-A 1.3 §7.2.7), and who may
//! let it go on after it yielded or was preempted (§7.2.8, §7.2.9).

use crate::endpoint::EndpointId;

/// The kinds of direct requests. Each is answered by its own kind of response (FF-A 1.3 §8.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RequestKind {
    /// FFA_MSG_SEND_DIRECT_REQ, 32 bit.
    Direct32,
    /// FFA_MSG_SEND_DIRECT_REQ, 64 bit.
    Direct64,
    /// FFA_MSG_SEND_DIRECT_REQ2.
    Direct2,
    /// A message of spm itself, FFA_MSG_SEND_DIRECT_REQ with the framework's bit (FF-A 1.3 §18.2.4).
    Framework,
}

/// Who gave a vCPU its core for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requester {
    /// The normal world.
    NormalWorld,
    /// This vCPU of the partition that the request names as its sender.
    Partition {
        /// Its number in its partition.
        vcpu: u8,
        /// Whether it works, itself or in the end, for spm and not for the normal world (FF-A 1.3 §9.2.3).
        spmc_scheduled: bool,
    },
}

/// A direct request that a vCPU works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Who gets the response.
    pub sender: EndpointId,
    /// Who let it run.
    pub requester: Requester,
    /// The kind of the request.
    pub kind: RequestKind,
}

/// What a vCPU works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// Its own start, until its first FFA_MSG_WAIT.
    Start,
    /// Nothing: it waits.
    Nothing,
    /// A direct request.
    Request(OpenRequest),
    /// Whatever it likes: the normal world gave it the core by FFA_RUN.
    Run,
    /// An interrupt of its own: spm gave it the core.
    Interrupt,
    /// A direct request of a partition that has aborted before it was done: the normal world lets it go on (FF-A 1.3 §7.2.8,
    /// R0104), and there is nobody to respond to.
    Abandoned,
}

/// Places of the parts in the word that a [`Work`] is kept in.
mod place {
    pub(super) const VCPU: u32 = 16;
    pub(super) const REQUEST_KIND: u32 = 24;
    pub(super) const FROM_PARTITION: u64 = 1 << 26;
    pub(super) const SPMC_SCHEDULED: u64 = 1 << 27;
    pub(super) const KIND: u32 = 28;
}

impl Work {
    /// Tells whether it runs on cycles of spm, not of the normal world: then it may not leave work behind, and interrupts
    /// of the normal world wait for it (FF-A 1.3 §9.2.4).
    #[must_use]
    pub const fn is_spmc_scheduled(self) -> bool {
        match self {
            Self::Start | Self::Interrupt => true,
            Self::Request(OpenRequest { kind: RequestKind::Framework, .. }) => true,
            Self::Request(OpenRequest { requester: Requester::Partition { spmc_scheduled, .. }, .. }) => {
                spmc_scheduled
            }
            Self::Nothing | Self::Run | Self::Abandoned | Self::Request(_) => false,
        }
    }

    /// Tells whether it is a message of spm itself: whoever has it may neither send direct requests nor let others run (FF-A 1.3
    /// §18.2.4).
    #[must_use]
    pub const fn is_framework_message(self) -> bool {
        matches!(self, Self::Request(OpenRequest { kind: RequestKind::Framework, .. }))
    }

    /// Returns it as a word.
    #[inline(always)]
    #[must_use]
    pub const fn encode(self) -> u64 {
        match self {
            Self::Start => 0,
            Self::Nothing => 1 << place::KIND,
            Self::Run => 2 << place::KIND,
            Self::Interrupt => 3 << place::KIND,
            Self::Abandoned => 4 << place::KIND,
            // One constant of an instruction, other than 5.
            Self::Request(request) => 6 << place::KIND | request.encode(),
        }
    }

    /// The inverse of [`Work::encode`].
    #[inline(always)]
    #[must_use]
    pub const fn decode(word: u64) -> Self {
        match word >> place::KIND {
            0 => Self::Start,
            1 => Self::Nothing,
            2 => Self::Run,
            3 => Self::Interrupt,
            4 => Self::Abandoned,
            _ => Self::Request(OpenRequest::decode(word)),
        }
    }
}

impl OpenRequest {
    #[inline(always)]
    const fn encode(self) -> u64 {
        let kind = match self.kind {
            RequestKind::Direct32 => 0,
            RequestKind::Direct64 => 1,
            RequestKind::Direct2 => 2,
            RequestKind::Framework => 3,
        };
        let requester = match self.requester {
            Requester::NormalWorld => 0,
            Requester::Partition { vcpu, spmc_scheduled } => {
                let mode = if spmc_scheduled { place::SPMC_SCHEDULED } else { 0 };
                place::FROM_PARTITION | mode | (vcpu as u64) << place::VCPU
            }
        };
        self.sender.0 as u64 | kind << place::REQUEST_KIND | requester
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "takes a word apart")]
    const fn decode(word: u64) -> Self {
        let kind = match word >> place::REQUEST_KIND & 3 {
            0 => RequestKind::Direct32,
            1 => RequestKind::Direct64,
            2 => RequestKind::Direct2,
            _ => RequestKind::Framework,
        };
        let requester = if word & place::FROM_PARTITION == 0 {
            Requester::NormalWorld
        } else {
            Requester::Partition {
                vcpu: (word >> place::VCPU) as u8,
                spmc_scheduled: word & place::SPMC_SCHEDULED != 0,
            }
        };
        Self { sender: EndpointId(word as u16), requester, kind }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [RequestKind; 4] =
        [RequestKind::Direct32, RequestKind::Direct64, RequestKind::Direct2, RequestKind::Framework];

    #[test]
    fn all_work_is_kept_exactly() {
        for work in [Work::Start, Work::Nothing, Work::Run, Work::Interrupt, Work::Abandoned] {
            assert_eq!(Work::decode(work.encode()), work);
        }
        let from = |vcpu, spmc_scheduled| Requester::Partition { vcpu, spmc_scheduled };
        for id in [0, 1, 0x7fff, 0x8001, 0xffff] {
            for kind in KINDS {
                for requester in [Requester::NormalWorld, from(0, false), from(7, true), from(255, false)] {
                    let work = Work::Request(OpenRequest { sender: EndpointId(id), requester, kind });
                    assert_eq!(Work::decode(work.encode()), work);
                }
            }
        }
    }

    #[test]
    fn a_callee_runs_on_its_callers_cycles() {
        let request = |requester| {
            Work::Request(OpenRequest { sender: EndpointId(0), requester, kind: RequestKind::Direct64 })
        };
        assert!(!request(Requester::NormalWorld).is_spmc_scheduled());
        assert!(!request(Requester::Partition { vcpu: 0, spmc_scheduled: false }).is_spmc_scheduled());
        assert!(request(Requester::Partition { vcpu: 0, spmc_scheduled: true }).is_spmc_scheduled());
    }
}

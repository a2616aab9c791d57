// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a step stands for: a message, or something that happens to the machine.

use super::{Inner, Machine};
use crate::finding::Invariant;
use crate::oracle::{Asked, Domain, IDENTITY};
use crate::script::{Act, Guests, KeyError, Move};
use ffa_abi::{
    DeviceState, DomainHandle, DomainKind, HypRequest, Iova, Key, PhysAddr, PoolRequest, PowerHint,
    Protection, Registers, Request, Response, SmmuIndex, Status, StreamId,
};

/// The endpoint of the kernel, and of the hypervisor.
pub(super) const HOST: u16 = 0;
/// Mappings of pages that move at which devices strike.
const MOST_MAPPINGS: usize = 8;

/// A range of a domain that a request is about.
#[derive(Clone, Copy, Debug)]
pub(super) struct Concerned {
    pub(super) domain: DomainHandle,
    pub(super) iova: u64,
    pub(super) size: u64,
}

impl Inner {
    /// Returns the handle of a label; one that was never given has none that exists.
    pub(super) fn handle(&self, label: u8) -> Option<DomainHandle> {
        let given = self.labels.get(&label).copied().and_then(DomainHandle::from_raw);
        given.or_else(|| DomainHandle::new(usize::from(label), DomainHandle::MAX_GENERATION))
    }

    /// Returns what a request is about: where devices find it, domain by domain.
    pub(super) fn concerned(&self, asked: &Asked) -> Vec<Concerned> {
        match asked.plain() {
            Asked::Kernel(
                Request::Map { domain, iova: Iova(iova), size, .. }
                | Request::Unmap { domain, iova: Iova(iova), size },
            ) => vec![Concerned { domain, iova, size }],
            Asked::Kernel(_) => Vec::new(),
            Asked::Hyp(request) => Move::of(request).map_or_else(Vec::new, |pages| self.leading_to(pages)),
        }
    }

    /// Returns where devices find pages that move.
    fn leading_to(&self, pages: Move) -> Vec<Concerned> {
        let leading = self.oracle.mappings(pages.first, pages.size()).take(MOST_MAPPINGS);
        let concerned = leading.filter_map(|(handle, iova, extent)| {
            let inside = pages.first.saturating_sub(extent.pa);
            let size = pages.size().min(extent.size - inside);
            Some(Concerned { domain: DomainHandle::from_raw(handle)?, iova: iova + inside, size })
        });
        let identity = Concerned { domain: IDENTITY, iova: pages.first, size: pages.size() };
        concerned.chain([identity]).collect()
    }

    /// Returns the hypervisor's key, or one like it. Before there is one, all of its bits are zero.
    fn key(&self, KeyError([low, high]): KeyError) -> Key {
        let [right_low, right_high] = self.oracle.key().unwrap_or_default();
        Key::from_registers([right_low ^ low, right_high ^ high])
    }

    /// Returns the domain that a label names, if it exists.
    pub(crate) fn domain_of(&self, label: u8) -> Option<&Domain> {
        self.oracle.domain(*self.labels.get(&label)?)
    }

    /// Returns the message that an act sends, if it sends one.
    pub(crate) fn message(&self, act: &Act) -> Option<(u16, Registers)> {
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
            Act::Identity { smmu, stream } => Request::DeviceSetState {
                smmu: SmmuIndex(smmu),
                sid: StreamId(stream),
                state: DeviceState::Identity,
            },
            Act::Block { smmu, stream } => Request::DeviceSetState {
                smmu: SmmuIndex(smmu),
                sid: StreamId(stream),
                state: DeviceState::Blocked,
            },
            Act::Nest { smmu, stream, label, context } => Request::NestedSet {
                smmu: SmmuIndex(smmu),
                sid: StreamId(stream),
                domain: match label {
                    Some(label) => Some(self.handle(label)?),
                    None => None,
                },
                context: Iova(context),
            },
            Act::Forget { smmu, stream, first, second } => Request::NestedInvalidate {
                smmu: SmmuIndex(smmu),
                sid: StreamId(stream),
                command: [first, second],
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
            Act::Claim => Request::Claim,
            Act::Check { smmu } => Request::SmmuCheck { smmu: SmmuIndex(smmu), hint: PowerHint::None },
            Act::Move { pages, key } => return Some((HOST, pages.request().encode(self.key(key)))),
            Act::State { address, key } => {
                return Some((HOST, HypRequest::PageState(PhysAddr(address)).encode(self.key(key))));
            }
            Act::Lend { memory, holder, key } => {
                let request = HypRequest::Pool(PoolRequest::Lend { memory, holder });
                return Some((HOST, request.encode(self.key(key))));
            }
            Act::Reclaim { memory, key } => {
                let request = HypRequest::Pool(PoolRequest::Reclaim { memory });
                return Some((HOST, request.encode(self.key(key))));
            }
            Act::Shares { holder, key } => {
                let request = HypRequest::Pool(PoolRequest::Status(holder));
                return Some((HOST, request.encode(self.key(key))));
            }
            Act::Statistics { key } => return Some((HOST, HypRequest::Statistics.encode(self.key(key)))),
            Act::Guests { what, key } => {
                return Some((HOST, self.guest_request(what)?.encode(self.key(key))));
            }
            Act::Raw { endpoint, registers } => return Some((endpoint, registers)),
            Act::Keyed { registers: [x3, _, _, x6, x7] } => {
                let [x4, x5] = self.key(KeyError::default()).to_registers();
                return Some((HOST, [x3, x4, x5, x6, x7]));
            }
            Act::Burst { .. }
            | Act::Settle
            | Act::Interrupt { .. }
            | Act::Storm { .. }
            | Act::Wedge { .. }
            | Act::Error { .. }
            | Act::Meddle { .. }
            | Act::Power { .. }
            | Act::Tamper { .. } => return None,
        };
        Some((HOST, request.encode()))
    }
}

impl Machine {
    /// Does what is to be done.
    pub(super) fn act(&self, act: &Act) {
        let message = self.inner().message(act);
        if let Some((endpoint, registers)) = message {
            match (act, self.send(endpoint, registers)) {
                (Act::Alloc { label, .. }, Some(Response { status: Status::Ok, values: [raw, ..] })) => {
                    self.inner().labels.insert(*label, crate::architecture::low(raw));
                }
                (
                    Act::Guests { what: Guests::Alloc { label, .. }, .. },
                    Some(Response { status: Status::Ok, values: [raw, ..] }),
                ) => {
                    self.inner().labels.insert(*label, crate::architecture::low(raw));
                }
                (Act::Check { smmu }, Some(Response { status: Status::Ok, .. })) => {
                    self.inner().is_well(*smmu);
                }
                (Act::Move { pages, .. }, Some(_)) => {
                    // Whatever came of it, each page has to be what it was, or what it became.
                    let page = self.inner().around.random.below(pages.count.into());
                    self.ask_state(pages.first.wrapping_add(page << 12));
                }
                _ => {}
            }
            return;
        }
        let mut inner = self.inner();
        match *act {
            Act::Burst { count } => (0..count).for_each(|_| inner.strike()),
            Act::Wedge { smmu } => inner.hurt(smmu, |smmu, _| smmu.wedge()),
            Act::Error { smmu, error } => inner.hurt(smmu, |smmu, _| smmu.raise(error)),
            Act::Meddle { smmu, register } => inner.meddle(smmu, register),
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
            Act::Interrupt { intid } => {
                drop(inner);
                self.serve(intid);
            }
            Act::Storm { smmu } => {
                drop(inner);
                self.storm(smmu);
            }
            _ => {}
        }
    }
}

impl Inner {
    /// Takes note that an SMMU was found to be well: whatever it lost, or somebody wrote, was written again.
    fn is_well(&mut self, index: u16) {
        let Some(smmu) = self.smmus.get(usize::from(index)) else { return };
        let (translates, now) = (smmu.translates(), smmu.meddled_with());
        let before = self.meddled.remove(&index).unwrap_or(now);
        if !translates || before != now {
            self.note(Invariant::Service, || {
                format!("SMMU {index} is well: it translates: {translates}; {now:x?} in place of {before:x?}")
            });
        }
    }

    fn meddle(&mut self, index: u16, register: u8) {
        let smmu = self.smmus.get_mut(usize::from(index)).filter(|smmu| smmu.translates());
        if let Some(smmu) = smmu {
            self.meddled.entry(index).or_insert(smmu.meddled_with());
            smmu.meddle(register);
            self.oracle.hurt(index);
        }
    }

    fn hurt(&mut self, smmu: u16, how: impl FnOnce(&mut crate::smmu::Smmu, &mut crate::random::Random)) {
        let Self { smmus, around, .. } = self;
        if let Some(found) = smmus.get_mut(usize::from(smmu)) {
            how(found, &mut around.random);
            self.oracle.hurt(smmu);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The service: one message in, one answer out, every claim checked.
//!
//! Each operation is a function here, and each check is a line in it. What is checked is passed on as a type that says
//! so ([`Client`], [`Owned`](crate::ownership::Owned), a device out of the policy). Several cores call at a time; the
//! locks and their order are described in `domain/lock.rs`.

mod calls;
mod extended;
mod faults;
mod guests;
mod health;
mod hyp;
mod nested;
mod pools;
mod recipient;
mod rings;
mod setup;
mod storms;
mod streams;
mod turns;
mod watch;

pub use faults::{Faults, MAX_FAULTS};
pub use recipient::{Audience, Recipient};
pub use setup::{Memory, SetupError};
pub use watch::InterruptError;

use pools::Quotas;
use streams::Streams;

use crate::client::Client;
use crate::domain::{Allocation, Device, Domains, Done, ENTRIES_PER_CALL, Identity, Means, States, Target};
use crate::entropy::Entropy;
use crate::ownership::{MAX_GUESTS, Ownership, PAGES_PER_MOVE};
use crate::policy::{self, Digest, MAX_DEVICES, MAX_SMMUS, Policy, Range};
use crate::role::Role;
use crate::seeded::{Bug, seeded};
use crate::shared::{Areas, Loans};
use crate::smmu::Smmu;
use crate::table::{Format, Geometry, LeafSize, PAGE_SIZE};
use ffa_abi::{
    DeviceRecord, DeviceState, DomainHandle, DomainKind, FaultReport, Features, GuardLevel, HypMessage, Iova,
    Limits, PROTOCOL_VERSION, PhysAddr, Protection, Registers, Request, Response, SmmuIndex, Status,
    StreamId, Version,
};
use heapless::Vec;

/// The service of one partition.
#[derive(Debug)]
pub struct Service<'a, S> {
    policy: &'a Policy,
    digest: Digest,
    smmus: &'a [S],
    domains: Domains<'a>,
    identity: Option<Identity<'a>>,
    devices: &'a [Device; MAX_DEVICES],
    faults: &'a Faults,
    entropy: &'a dyn Entropy,
    role: Role,
    ownership: Ownership<'a>,
    areas: Areas<'a>,
    streams: Streams,
    /// What each may take of the pool.
    quotas: Quotas,
    loans: Loans<'a>,
    /// By SMMU: the IOVAs that all devices allow which the host may hold; none where it may hold no device.
    windows: Vec<Option<Range>, MAX_SMMUS>,
}

impl<S: Smmu> Service<'_, S> {
    /// Answers one message of an endpoint: x3–x7 in, x3–x7 out. Whatever the registers hold, this returns within a
    /// bound.
    pub fn handle(&self, endpoint: u16, registers: Registers) -> Registers {
        let outcome = match Client::of(endpoint) {
            Some(client) => match HypMessage::of(registers) {
                None => Request::decode(registers).and_then(|request| self.serve(client, request)),
                Some(message) => self.serve_hyp(&message),
            },
            None => Err(Status::Denied),
        };
        outcome.unwrap_or_else(Response::status).encode()
    }

    /// Has an SMMU interrupt for its events and errors. For the start, before the first message, once the interrupts can
    /// come.
    ///
    /// # Errors
    /// The SMMU is looked at when the host polls, as it is where nobody calls this.
    pub fn watch(&self, smmu: SmmuIndex) -> Result<(), InterruptError> {
        self.faults.watch(self.audience(), self.smmus, smmu.0)
    }

    /// Serves an interrupt, within a bound: it waits neither for the fault queue nor for a device, but in its turn for the locks of
    /// an SMMU, and where it puts a device into quarantine, for that SMMU. Not while a message is answered on the same core.
    ///
    /// # Errors
    /// There is no use in another interrupt with this number: the caller switches it off.
    pub fn interrupted(&self, intid: u32) -> Result<(), InterruptError> {
        let mut wires = (0..=u16::MAX).zip(&self.policy.smmus);
        let found = wires.find(|(_, smmu)| smmu.interrupts.is_some_and(|wires| wires.has(intid)));
        let (index, _) = found.ok_or(InterruptError::Unexpected)?;
        let served = self.faults.interrupted(self.audience(), self.smmus, index);
        self.quarantine_one();
        served
    }

    fn serve(&self, client: Client, request: Request) -> Result<Response, Status> {
        match request {
            Request::Version(_) | Request::Features | Request::DeviceDescribe { .. } | Request::Claim => {}
            _ => self.role.others_may_pass()?,
        }
        match request {
            Request::Map { domain, iova, pa, size, protection } => {
                self.map(client, domain, iova, (pa, size), protection)
            }
            Request::Unmap { domain, iova, size } => self.unmap(client, domain, iova, size),
            Request::IovaToPa { domain, iova } => self.iova_to_pa(client, domain, iova),
            Request::DomainAlloc { smmu, kind } => self.domain_alloc(client, smmu, kind),
            Request::DomainFree(domain) => self.domain_free(client, domain),
            Request::DeviceSetState { smmu, sid, state } => self.device_set_state(client, smmu, sid, state),
            Request::NestedSet { smmu, sid, domain, context } => {
                self.nested_set(client, (smmu, sid), (domain, context))
            }
            Request::NestedInvalidate { smmu, sid, command } => {
                self.nested_invalidate(client, (smmu, sid), command)
            }
            Request::FaultPoll => self.fault_poll(client),
            Request::Doorbell(bell) => self.doorbell(client, bell),
            Request::Call(call) => self.call(client, call),
            Request::AreaOpen { memory } => self.area_open(client, memory),
            Request::AreaClose(area) => self.area_close(client, area),
            Request::SmmuStatus(smmu) => self.smmu_status(client, smmu),
            Request::SmmuCheck { smmu, hint } => self.smmu_check(client, smmu, hint),
            Request::Version(version) => Ok(Self::version(version)),
            Request::Features => Ok(self.features()),
            Request::PolicyDigest => Ok(self.policy_digest()),
            Request::DeviceDescribe { index } => self.device_describe(client, index),
            Request::Claim => self.claim(),
            Request::Register(found) => self.register(client, &found),
        }
    }

    const fn audience(&self) -> Audience<'_> {
        Audience { policy: self.policy, devices: self.devices }
    }

    fn claim(&self) -> Result<Response, Status> {
        let [low, high] = self.role.claim(self.entropy)?.to_registers();
        Ok(Response { status: Status::Ok, values: [low, high, 0, 0] })
    }

    /// Both answers say which version this is: a caller may know more than one.
    fn version(theirs: Version) -> Response {
        let ours = PROTOCOL_VERSION;
        let status = if theirs.major == ours.major { Status::Ok } else { Status::NotSupported };
        Response { status, ..Response::value(ours.to_register()) }
    }

    fn features(&self) -> Response {
        let ranges = self.smmus.iter().all(|smmu| smmu.features().range_invalidation);
        let mut features = Features::empty();
        features.set(Features::RANGE_INVALIDATION, ranges);
        features.set(Features::HYP_REQUIRED, self.role.is_required());
        features.set(Features::HYP_CLAIMED, self.role.is_claimed());
        let guard = u64::from(u8::from(GuardLevel::from(self.policy.guard)));
        let count = |count: usize| u16::try_from(count).unwrap_or(u16::MAX);
        let limits = Limits {
            entries_per_call: count(ENTRIES_PER_CALL),
            domains: count(self.domains.for_the_kernel()),
            faults: count(MAX_FAULTS),
            pages_per_move: if self.role.is_required() { PAGES_PER_MOVE } else { 0 },
            guests: if self.guests_may_own() { MAX_GUESTS } else { 0 },
            page_sizes: LeafSize::Page4K.bytes() | LeafSize::Block2M.bytes() | LeafSize::Block1G.bytes(),
            iova_bits: Geometry::Bits39.input_bits(),
        };
        let [x5, x6, x7] = limits.to_registers();
        Response { status: Status::Ok, values: [features.bits() | guard, x5, x6, x7] }
    }

    fn policy_digest(&self) -> Response {
        let mut values = [0; 4];
        for (value, bytes) in values.iter_mut().zip(self.digest.as_chunks().0) {
            *value = u64::from_le_bytes(*bytes);
        }
        Response { status: Status::Ok, values }
    }

    fn device_describe(&self, client: Client, index: u64) -> Result<Response, Status> {
        let index = usize::try_from(index).map_err(|_| Status::Empty)?;
        let device = self.held(client).nth(index).ok_or(Status::Empty)?;
        Ok(Response { status: Status::Ok, values: record(device).to_registers() })
    }

    /// Compares with the policy what a client found. A device is known by its name, or else by its first stream; of one
    /// that the client may not hold it learns nothing.
    fn register(&self, client: Client, found: &DeviceRecord) -> Result<Response, Status> {
        let has_name = |device: &&policy::Device| found.has_name() && record(device).name == found.name;
        let has_stream = |device: &&policy::Device| {
            u16::from(device.smmu) == found.smmu.0 && device.has_sid(found.first.0)
        };
        let device = self.held(client).find(has_name).or_else(|| self.held(client).find(has_stream));
        let differences = record(device.ok_or(Status::Denied)?).differences(found);
        let status = if differences.is_empty() { Status::Ok } else { Status::Differs };
        Ok(Response { status, ..Response::value(differences.bits()) })
    }

    /// Returns the devices that a client may hold.
    fn held(&self, client: Client) -> impl Iterator<Item = &policy::Device> {
        self.policy.devices.iter().filter(move |device| may_hold(client, device))
    }

    fn domain_alloc(&self, client: Client, smmu: SmmuIndex, kind: DomainKind) -> Result<Response, Status> {
        let DomainKind::Paging = kind;
        let window = self.windows.get(usize::from(smmu.0)).ok_or(Status::InvalidParameters)?;
        let window = window.ok_or(Status::Denied)?;
        let format = self.format(smmu).ok_or(Status::InvalidParameters)?;
        let wanted = Allocation { client, smmu, window, format };
        let handle = self.domains.allocate(&wanted, self.quotas.of(client))?;
        Ok(Response::value(handle.raw().into()))
    }

    /// Returns what the tables of an SMMU are made of.
    fn format(&self, smmu: SmmuIndex) -> Option<Format> {
        self.smmus.get(usize::from(smmu.0)).map(|smmu| smmu.features().format)
    }

    fn domain_free(&self, client: Client, domain: DomainHandle) -> Result<Response, Status> {
        self.domains.free(client, domain, self.means())?;
        Ok(Response::status(Status::Ok))
    }

    fn device_set_state(
        &self,
        client: Client,
        smmu: SmmuIndex,
        sid: StreamId,
        state: DeviceState,
    ) -> Result<Response, Status> {
        let found = self.streams.find(self.policy, smmu.0, sid.0);
        let (index, device) = found.ok_or(Status::Denied)?;
        if !may_hold(client, device) && !seeded(Bug::AnyHolder) {
            return Err(Status::Denied);
        }
        let driver = self.smmus.get(usize::from(smmu.0)).ok_or(Status::Denied)?;
        let setting = self.devices.get(index).ok_or(Status::Denied)?;
        let states =
            States { domains: &self.domains, identity: self.identity.as_ref(), ownership: &self.ownership };
        setting.set(client, Target { index, device, smmu }, state, states, driver)?;
        Ok(Response::status(Status::Ok))
    }

    fn map(
        &self,
        client: Client,
        domain: DomainHandle,
        iova: Iova,
        (pa, size): (PhysAddr, u64),
        protection: Protection,
    ) -> Result<Response, Status> {
        aligned(iova.0 | pa.0 | size)?;
        if seeded(Bug::UncheckedSum) && pa.0 + size == 0 {
            return Err(Status::OutOfRange);
        }
        let memory = self.ownership.claim(client, pa, size)?;
        self.domains.map(client, domain, (iova, memory, protection), self.means()).map(answer)
    }

    fn unmap(&self, client: Client, domain: DomainHandle, iova: Iova, size: u64) -> Result<Response, Status> {
        aligned(iova.0 | size)?;
        if size == 0 {
            return Err(Status::OutOfRange);
        }
        self.domains.unmap(client, domain, (iova, size), self.means()).map(answer)
    }

    /// Returns what the kernel's calls work with.
    const fn means(&self) -> Means<'_, S> {
        Means { smmus: self.smmus, quota: &self.quotas.host, ownership: &self.ownership }
    }

    fn iova_to_pa(&self, client: Client, domain: DomainHandle, iova: Iova) -> Result<Response, Status> {
        let found = self.domains.lookup(client, domain, iova)?;
        Ok(Response { status: Status::Ok, values: [found.pa.0, found.protection.bits(), 0, 0] })
    }

    // Never in the place of its call: the others pay for what it does to the registers.
    #[inline(never)]
    fn fault_poll(&self, client: Client) -> Result<Response, Status> {
        self.polled(match client {
            Client::Host => Recipient::Host,
            Client::Held(_) => return Err(Status::NotSupported),
        })
    }

    fn polled(&self, recipient: Recipient) -> Result<Response, Status> {
        let polled = self.faults.poll(self.audience(), self.smmus, recipient);
        self.quarantine_one();
        self.rebuild_one();
        let FaultReport { fault, dropped } = polled?;
        let [x4, x5, x6] = fault.map_or([0; 3], |fault| fault.to_registers());
        Ok(Response { status: Status::Ok, values: [x4, x5, x6, dropped] })
    }
}

fn record(device: &policy::Device) -> DeviceRecord {
    let mut name = [0; policy::MAX_NAME];
    for (to, from) in name.iter_mut().zip(device.name.bytes()) {
        *to = from;
    }
    DeviceRecord {
        smmu: SmmuIndex(device.smmu.into()),
        first: StreamId(device.first_sid),
        count: device.sids,
        name,
    }
}

fn may_hold(client: Client, device: &policy::Device) -> bool {
    match client {
        Client::Host => device.holders.host,
        Client::Held(holder) if holder.is_guest() => device.holders.guests,
        Client::Held(_) => device.holders.hyp,
    }
}

fn aligned(bits: u64) -> Result<(), Status> {
    if bits & (PAGE_SIZE - 1) == 0 { Ok(()) } else { Err(Status::Misaligned) }
}

const fn answer(Done { status, bytes, removed }: Done) -> Response {
    Response { status, values: [bytes, removed, 0, 0] }
}

#[cfg(test)]
pub(crate) mod tests;

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What scenarios work with: the devices, the service, memory, and transfers whose outcome is seen in bytes.

use crate::{
    platform, report,
    scenario::{Failure, Text, text},
};
use core::fmt;
use ffa_abi::{DeviceState, DomainHandle, Fault, Iova, PhysAddr, Protection, SmmuIndex, Status, StreamId};
use heapless::Vec;
use nwd::{
    Machine,
    edu::Edu,
    hyp::Hyp,
    iommu::{Iommu, IommuError},
    mailbox::{Mailbox, Mode},
    ram::Ram,
    random::Random,
};

/// Bytes of a page.
pub(crate) const PAGE: u64 = 4096;
/// Bytes of a transfer, unless a scenario says otherwise.
pub(crate) const TRANSFER: usize = 256;
/// The same, as the device counts.
pub(crate) const TRANSFER_COUNT: u16 = 256;
/// Flag of the mailbox: the run is one on an SMMU that has stage 1 and no other.
const STAGE_1_ALONE: u64 = 1 << 1;
/// All that may be done with a page.
pub(crate) const READ_WRITE: Protection = Protection::READ.union(Protection::WRITE);

/// How many of a transfer's bytes are where they should not, or should, be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// Every byte.
    All,
    /// None: what was there before is there still.
    Nothing,
    /// As many bytes differ from what was there before.
    Some(usize),
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => write!(f, "all bytes arrived"),
            Self::Nothing => write!(f, "no byte arrived"),
            Self::Some(count) => write!(f, "{count} bytes arrived"),
        }
    }
}

/// Everything that scenarios share.
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) mailbox: Mailbox,
    pub(crate) iommu: Iommu,
    pub(crate) test_sp: Option<u16>,
    /// The hypervisor's side, once its role was claimed.
    pub(crate) hyp: Option<Hyp>,
    /// The device that the policy gives to the host.
    pub(crate) device: Edu,
    /// The device that the policy knows and gives to nobody here, or to the hypervisor, where there is one.
    pub(crate) nobodys: Edu,
    /// The device that the policy does not know.
    pub(crate) unlisted: Edu,
    pub(crate) random: Random,
    domains: Vec<DomainHandle, 32>,
    /// What the host's device was last set to.
    state: DeviceState,
    mirror: Option<DomainHandle>,
}

impl World {
    /// Pages at the start of scratch memory that are not for scenarios: the mirror.
    const OWN_PAGES: u64 = 8;

    pub(crate) fn new(
        machine: Machine,
        mailbox: Mailbox,
        iommu: Iommu,
        test_sp: Option<u16>,
        [device, nobodys, unlisted]: [Edu; 3],
    ) -> Self {
        Self {
            machine,
            mailbox,
            iommu,
            test_sp,
            hyp: None,
            device,
            nobodys,
            unlisted,
            random: Random::new(mailbox.seed),
            domains: Vec::new(),
            state: DeviceState::Blocked,
            mirror: None,
        }
    }

    /// Tells the reader what comes now.
    pub(crate) fn say(&self, words: fmt::Arguments<'_>) {
        match self.mailbox.mode {
            Mode::Demo => report::say(words),
            Mode::Test
            | Mode::Bench
            | Mode::Variant
            | Mode::Crash
            | Mode::Contention
            | Mode::Boot
            | Mode::Hyp
            | Mode::ManyCores
            | Mode::Restart
            | Mode::Attack => {}
        }
    }

    /// Returns the hypervisor's side, which a scenario before has claimed.
    pub(crate) fn hyp(&self) -> Result<Hyp, Failure> {
        self.hyp.ok_or_else(|| Failure::new(format_args!("the hypervisor's role was not claimed")))
    }

    /// Returns a page of scratch memory.
    pub(crate) fn page(&self, index: u64) -> Ram {
        self.machine.scratch().part((Self::OWN_PAGES + index) * PAGE, PAGE)
    }

    /// The SMMU that all the devices are behind.
    pub(crate) const fn smmu(&self) -> SmmuIndex {
        SmmuIndex(platform::DEVICE.smmu)
    }

    /// Returns an address in the window of the host's device.
    pub(crate) const fn iova(&self, offset: u64) -> Iova {
        Iova(platform::DEVICE.iova_base + offset)
    }

    /// Makes a domain that is freed when the scenario ends.
    pub(crate) fn domain(&mut self) -> Result<DomainHandle, Failure> {
        let domain = self.iommu.alloc(self.smmu())?;
        if self.domains.push(domain).is_err() {
            let _ = self.iommu.free(domain);
            return Err(Failure::new(format_args!("too many domains in one scenario")));
        }
        Ok(domain)
    }

    /// Forgets all that the service has been asked for: it has started again, and knows nothing of it.
    pub(crate) fn forget_all(&mut self) {
        self.domains.clear();
        self.mirror = None;
        self.state = DeviceState::Blocked;
    }

    /// Forgets a domain that the scenario freed itself.
    pub(crate) fn forget(&mut self, domain: DomainHandle) {
        self.domains.retain(|other| *other != domain);
    }

    /// Makes a domain and puts the host's device into it.
    pub(crate) fn attached_domain(&mut self) -> Result<DomainHandle, Failure> {
        let domain = self.domain()?;
        self.set(DeviceState::Paging(domain))?;
        Ok(domain)
    }

    /// Sets the host's device to a state.
    pub(crate) fn set(&mut self, state: DeviceState) -> Result<(), Failure> {
        self.iommu.set_state(self.smmu(), self.device.stream(), state)?;
        self.state = state;
        Ok(())
    }

    /// Maps a page.
    pub(crate) fn map(
        &self,
        domain: DomainHandle,
        iova: Iova,
        page: &Ram,
        protection: Protection,
    ) -> Result<(), IommuError> {
        self.iommu.map(domain, iova, page.address(), page.size(), protection)
    }

    /// Tells whether the SMMU of this run has stage 1 and no other.
    pub(crate) const fn has_stage_1_alone(&self) -> bool {
        self.mailbox.flags & STAGE_1_ALONE != 0
    }

    /// Maps a page so that devices can write it, and read it only where their SMMU cannot allow the one alone.
    pub(crate) fn map_to_write(
        &self,
        domain: DomainHandle,
        iova: Iova,
        page: &Ram,
    ) -> Result<(), IommuError> {
        match self.map(domain, iova, page, Protection::WRITE) {
            Err(IommuError::Status(Status::NotSupported)) if self.has_stage_1_alone() => {
                self.map(domain, iova, page, READ_WRITE)
            }
            result => result,
        }
    }

    /// Lets the host's device load bytes of memory that only the mirror domain maps, and returns them with the page.
    ///
    /// The device's own buffer can be seen and filled by DMA only.
    fn with_mirror<T>(
        &mut self,
        job: impl FnOnce(&Edu, Iova, &Ram) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let page = self.machine.scratch().part(0, PAGE);
        let iova = Iova(platform::DEVICE.iova_base + platform::DEVICE.iova_size - PAGE);
        let mirror = match self.mirror {
            Some(mirror) => mirror,
            None => {
                let mirror = self.iommu.alloc(self.smmu())?;
                self.mirror = Some(mirror);
                self.map(mirror, iova, &page, READ_WRITE)?;
                mirror
            }
        };
        let before = self.state;
        self.set(DeviceState::Paging(mirror))?;
        let result = job(&self.device, iova, &page);
        self.set(before)?;
        result
    }

    /// Fills the host's device with a new pattern, and returns it.
    pub(crate) fn load(&mut self) -> Result<[u8; TRANSFER], Failure> {
        let pattern: [u8; TRANSFER] = self.random.bytes();
        self.with_mirror(|device, iova, page| {
            page.write(0, &pattern);
            Ok(device.read_ram(iova, 0, TRANSFER_COUNT)?)
        })?;
        if self.peek()? == pattern {
            Ok(pattern)
        } else {
            Err(Failure::new(format_args!("the device does not hold what it was given")))
        }
    }

    /// Returns what the host's device holds.
    pub(crate) fn peek(&mut self) -> Result<[u8; TRANSFER], Failure> {
        let canary: [u8; TRANSFER] = self.random.bytes();
        let bytes = self.with_mirror(|device, iova, page| {
            page.write(0, &canary);
            device.write_ram(iova, 0, TRANSFER_COUNT)?;
            let mut bytes = [0; TRANSFER];
            page.read(0, &mut bytes);
            Ok(bytes)
        })?;
        if bytes == canary {
            Err(Failure::new(format_args!(
                "the device cannot be looked into: its allowed transfer does nothing"
            )))
        } else {
            Ok(bytes)
        }
    }

    /// Lets the host's device write what it holds, `pattern`, to an IOVA behind which `page` stands or not.
    pub(crate) fn put(
        &mut self,
        pattern: &[u8; TRANSFER],
        iova: Iova,
        page: &Ram,
    ) -> Result<Arrival, Failure> {
        let canary: [u8; TRANSFER] = self.random.bytes();
        page.write(0, &canary);
        self.device.write_ram(iova, 0, TRANSFER_COUNT)?;
        Ok(compare(page, &canary, pattern))
    }

    /// The same, and does something while the transfer is under way. Returns `None` where the transfer was over before that
    /// was done: a host that runs much else may let a tenth of a second pass.
    pub(crate) fn put_during(
        &mut self,
        pattern: &[u8; TRANSFER],
        iova: Iova,
        page: &Ram,
        meanwhile: impl FnOnce(&mut Self) -> Result<(), Failure>,
    ) -> Result<Option<Arrival>, Failure> {
        let canary: [u8; TRANSFER] = self.random.bytes();
        page.write(0, &canary);
        self.device.start(nwd::edu::Direction::ToRam, iova, 0, TRANSFER_COUNT)?;
        meanwhile(self)?;
        let in_time = self.device.is_busy();
        self.device.finish()?;
        Ok(in_time.then(|| compare(page, &canary, pattern)))
    }

    /// Lets the host's device read from an IOVA behind which `page` stands or not, then looks into the device.
    pub(crate) fn get(&mut self, iova: Iova, page: &Ram) -> Result<Arrival, Failure> {
        let before = self.load()?;
        let pattern: [u8; TRANSFER] = self.random.bytes();
        page.write(0, &pattern);
        self.device.read_ram(iova, 0, TRANSFER_COUNT)?;
        let bytes = self.peek()?;
        // A stopped read leaves the device with zeros, or with what it had: neither is the page's content.
        let arrived = bytes.chunks_exact(8).zip(pattern.chunks_exact(8)).filter(|(a, b)| a == b).count() * 8;
        Ok(match arrived {
            TRANSFER => Arrival::All,
            0 if bytes == before || bytes.iter().all(|byte| *byte == 0 || *byte == 0xff) => Arrival::Nothing,
            count => Arrival::Some(count),
        })
    }

    /// Lets one of the other devices write to an address at which `page` stands, and says what became of the page.
    ///
    /// Such a device holds zeros: nothing ever got into it.
    pub(crate) fn put_by(&mut self, device: &Edu, iova: Iova, page: &Ram) -> Result<Arrival, Failure> {
        let canary: [u8; TRANSFER] = self.random.bytes();
        page.write(0, &canary);
        device.write_ram(iova, 0, TRANSFER_COUNT)?;
        Ok(compare(page, &canary, &[0; TRANSFER]))
    }

    /// Takes the next fault report of a stream, passing over those of others.
    pub(crate) fn fault_of(&self, sid: StreamId) -> Result<Option<Fault>, Failure> {
        loop {
            match self.iommu.fault()?.fault {
                Some(fault) if fault.sid == sid => return Ok(Some(fault)),
                Some(_) => {}
                None => return Ok(None),
            }
        }
    }

    /// Takes all fault reports, and returns how many there were and how many were dropped before.
    pub(crate) fn drain_faults(&self) -> Result<(u64, u64), Failure> {
        let (mut reports, mut lost) = (0_u64, 0_u64);
        loop {
            let report = self.iommu.fault()?;
            lost = lost.saturating_add(report.dropped);
            match report.fault {
                Some(_) => reports += 1,
                None => return Ok((reports, lost)),
            }
        }
    }

    /// Blocks the device, frees what the scenario made and empties the fault queue.
    pub(crate) fn clean(&mut self) -> Result<(), Failure> {
        if self.state == DeviceState::Blocked && self.domains.is_empty() && self.mirror.is_none() {
            // Nothing has been asked of the service yet, and that may be a scenario's point.
            return Ok(());
        }
        self.set(DeviceState::Blocked)?;
        let mut first = Ok(());
        while let Some(domain) = self.domains.pop() {
            match self.iommu.free(domain) {
                Ok(()) | Err(IommuError::Status(Status::InvalidHandle)) => {}
                Err(error) => first = first.and(Err(Failure::from(error))),
            }
        }
        self.drain_faults()?;
        first
    }
}

/// Says what became of memory that held `before`, and would hold `pattern` if that had arrived.
fn compare(page: &Ram, before: &[u8; TRANSFER], pattern: &[u8; TRANSFER]) -> Arrival {
    let mut bytes = [0; TRANSFER];
    page.read(0, &mut bytes);
    if bytes == *pattern {
        Arrival::All
    } else {
        match bytes.iter().zip(before).filter(|(now, then)| now != then).count() {
            0 => Arrival::Nothing,
            count => Arrival::Some(count),
        }
    }
}

/// Requires that a transfer ended as it should.
pub(crate) fn require(what: &str, arrival: Arrival, wanted: Arrival) -> Result<(), Failure> {
    if arrival == wanted { Ok(()) } else { Err(Failure(text(format_args!("{what}: {arrival}")))) }
}

/// Describes a fault report.
pub(crate) fn describe(fault: &Fault) -> Text {
    text(format_args!(
        "{:?} fault, stream {:#x}, IOVA {:#x}, {}",
        fault.kind,
        fault.sid.0,
        fault.iova.0,
        if fault.write { "write" } else { "read" }
    ))
}

/// Returns the IOVA that an SMMU which translates nothing would take for this memory.
pub(crate) const fn untranslated(address: PhysAddr) -> Iova {
    Iova(address.0)
}

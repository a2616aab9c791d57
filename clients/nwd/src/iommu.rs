// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The iommu service as a client calls it: one method an operation, errors that say who refused.

use crate::ffa::{self, CallError};
use ffa_abi::{
    DeviceRecord, DeviceState, Difference, DomainHandle, DomainKind, ExtendedRegisters, Fault, FaultReport,
    Features, GuardLevel, Iova, Limits, PROTOCOL_VERSION, PhysAddr, PowerHint, Protection, Registers,
    Request, Response, SmmuIndex, SmmuRegisters, SmmuReport, Status, StreamId, Version,
};
use thiserror::Error;

/// Why an operation did not do what it was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IommuError {
    /// The message did not come through.
    #[error("{0}")]
    Call(#[from] CallError),
    /// The service refused.
    #[error("status {0:?}")]
    Status(Status),
    /// The answer is none that the protocol has.
    #[error("malformed answer {0:#x?}")]
    Malformed(Registers),
    /// The service says that work remains, and does none.
    #[error("no progress after {0:#x} bytes")]
    Stuck(u64),
}

/// The service, by the partition that offers it.
#[derive(Clone, Copy, Debug)]
pub struct Iommu {
    partition: u16,
}

impl Iommu {
    /// Calls that a long operation may take before it counts as stuck.
    const ROUNDS: u32 = 100_000;

    /// Makes a client of the service that a partition offers.
    #[must_use]
    pub const fn new(partition: u16) -> Self {
        Self { partition }
    }

    /// Returns the partition's FF-A ID.
    #[must_use]
    pub const fn partition(&self) -> u16 {
        self.partition
    }

    /// Sends registers as they are, and decodes only the answer's frame.
    ///
    /// # Errors
    /// All but [`IommuError::Status`].
    pub fn raw(&self, registers: Registers) -> Result<Response, IommuError> {
        let answer = ffa::direct(self.partition, registers)?;
        Response::decode(answer).ok_or(IommuError::Malformed(answer))
    }

    /// Sends registers by FFA_MSG_SEND_DIRECT_REQ2 to one of the partition's services, x4–x17, and decodes only the answer's frame.
    ///
    /// # Errors
    /// All but [`IommuError::Status`].
    pub fn raw_extended(
        &self,
        service: [u64; 2],
        registers: ExtendedRegisters,
    ) -> Result<Response, IommuError> {
        let (answer, more) = ffa_abi::shorten(ffa::direct2(self.partition, service, registers)?);
        Response::decode(answer).filter(|_| more == 0).ok_or(IommuError::Malformed(answer))
    }

    /// Sends a request, and returns x4–x7 of a successful answer.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn request(&self, request: Request) -> Result<[u64; 4], IommuError> {
        match self.raw(request.encode())? {
            Response { status: Status::Ok, values } => Ok(values),
            Response { status, .. } => Err(IommuError::Status(status)),
        }
    }

    /// Sends a request whose answer is one number.
    fn number(&self, request: Request) -> Result<u64, IommuError> {
        self.request(request).map(|[number, ..]| number)
    }

    /// Agrees on the protocol, and returns the service's version.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn version(&self) -> Result<Version, IommuError> {
        let values = self.request(Request::Version(PROTOCOL_VERSION))?;
        Version::from_register(values[0]).ok_or_else(|| malformed(values))
    }

    /// Asks who guards the SMMU here, and what the service can do.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn features(&self) -> Result<(GuardLevel, Features, Limits), IommuError> {
        let values = self.request(Request::Features)?;
        let [level, x5, x6, x7] = values;
        let guard = GuardLevel::try_from(level.to_le_bytes()[0]).map_err(|_| malformed(values))?;
        let features = Features::from_bits(level & !0xff).ok_or_else(|| malformed(values))?;
        let limits = Limits::from_registers([x5, x6, x7]).ok_or_else(|| malformed(values))?;
        Ok((guard, features, limits))
    }

    /// Asks for the digest of the policy in force.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn policy_digest(&self) -> Result<[u64; 4], IommuError> {
        self.request(Request::PolicyDigest)
    }

    /// Asks for one of the devices that this client may hold, or `None` past the last.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn device(&self, index: u64) -> Result<Option<DeviceRecord>, IommuError> {
        match self.request(Request::DeviceDescribe { index }) {
            Ok(values) => DeviceRecord::from_registers(values).map(Some).ok_or_else(|| malformed(values)),
            Err(IommuError::Status(Status::Empty)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Compares what this client found of a device with the policy, and returns the fields that differ.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn register(&self, found: DeviceRecord) -> Result<Difference, IommuError> {
        let Response { status, values } = self.raw(Request::Register(found).encode())?;
        let difference = Difference::from_bits(values[0]).ok_or_else(|| malformed(values))?;
        match (status, difference.is_empty()) {
            (Status::Ok, true) | (Status::Differs, false) => Ok(difference),
            (Status::Ok | Status::Differs, _) => Err(malformed(values)),
            (status, _) => Err(IommuError::Status(status)),
        }
    }

    /// Makes an empty domain for devices behind an SMMU.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn alloc(&self, smmu: SmmuIndex) -> Result<DomainHandle, IommuError> {
        let values = self.request(Request::DomainAlloc { smmu, kind: DomainKind::Paging })?;
        u32::try_from(values[0]).ok().and_then(DomainHandle::from_raw).ok_or_else(|| malformed(values))
    }

    /// Frees a domain, in as many calls as it takes.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn free(&self, domain: DomainHandle) -> Result<(), IommuError> {
        for _ in 0..Self::ROUNDS {
            match self.request(Request::DomainFree(domain)) {
                Ok(_) => return Ok(()),
                Err(IommuError::Status(Status::Again)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(IommuError::Stuck(0))
    }

    /// Sets what a device's DMA reaches, in as many calls as it takes.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn set_state(&self, smmu: SmmuIndex, sid: StreamId, state: DeviceState) -> Result<(), IommuError> {
        for _ in 0..Self::ROUNDS {
            match self.request(Request::DeviceSetState { smmu, sid, state }) {
                Ok(_) => return Ok(()),
                Err(IommuError::Status(Status::Again)) => {}
                Err(error) => return Err(error),
            }
        }
        Err(IommuError::Stuck(0))
    }

    /// Maps a whole range, in as many calls as it takes.
    ///
    /// # Errors
    /// See [`IommuError`]; what was mapped before the error stays.
    pub fn map(
        &self,
        domain: DomainHandle,
        iova: Iova,
        pa: PhysAddr,
        size: u64,
        protection: Protection,
    ) -> Result<(), IommuError> {
        let mut done = 0_u64;
        loop {
            let request = Request::Map {
                domain,
                iova: Iova(iova.0.wrapping_add(done)),
                pa: PhysAddr(pa.0.wrapping_add(done)),
                size: size.wrapping_sub(done),
                protection,
            };
            done = advance(done, self.number(request)?, size)?;
            if done == size {
                return Ok(());
            }
        }
    }

    /// Unmaps a whole range, in as many calls as it takes.
    ///
    /// # Errors
    /// See [`IommuError`]; what was unmapped before the error stays so.
    pub fn unmap(&self, domain: DomainHandle, iova: Iova, size: u64) -> Result<(), IommuError> {
        let mut done = 0_u64;
        loop {
            let (iova, size_left) = (Iova(iova.0.wrapping_add(done)), size.wrapping_sub(done));
            done = advance(done, self.number(Request::Unmap { domain, iova, size: size_left })?, size)?;
            if done == size {
                return Ok(());
            }
        }
    }

    /// Looks a mapping up.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn lookup(&self, domain: DomainHandle, iova: Iova) -> Result<(PhysAddr, Protection), IommuError> {
        let values = self.request(Request::IovaToPa { domain, iova })?;
        let protection = Protection::from_bits(values[1]).ok_or_else(|| malformed(values))?;
        Ok((PhysAddr(values[0]), protection))
    }

    /// Has an SMMU's registers compared and what is wrong set right, in as many calls as it takes; returns what differed.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn check(&self, smmu: SmmuIndex, hint: PowerHint) -> Result<SmmuRegisters, IommuError> {
        for _ in 0..Self::ROUNDS {
            let Response { status, values } = self.raw(Request::SmmuCheck { smmu, hint }.encode())?;
            let differed = u32::try_from(values[0]).ok().and_then(SmmuRegisters::from_bits);
            match status {
                Status::Ok => return differed.ok_or_else(|| malformed(values)),
                Status::Again => {}
                status => return Err(IommuError::Status(status)),
            }
        }
        Err(IommuError::Stuck(0))
    }

    /// Asks how an SMMU is.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn smmu(&self, smmu: SmmuIndex) -> Result<SmmuReport, IommuError> {
        let values = self.request(Request::SmmuStatus(smmu))?;
        SmmuReport::from_registers(values).ok_or_else(|| malformed(values))
    }

    /// Takes the oldest fault report.
    ///
    /// # Errors
    /// See [`IommuError`].
    pub fn fault(&self) -> Result<FaultReport, IommuError> {
        let Response { status, values } = self.raw(Request::FaultPoll.encode())?;
        let [x4, x5, x6, dropped] = values;
        match status {
            // Only the count has something to tell.
            Status::Ok if x4 == 0 && dropped != 0 => Ok(FaultReport { fault: None, dropped }),
            Status::Ok => {
                let fault = Fault::from_registers([x4, x5, x6]).ok_or_else(|| malformed(values))?;
                Ok(FaultReport { fault: Some(fault), dropped })
            }
            Status::Empty => Ok(FaultReport { fault: None, dropped }),
            status => Err(IommuError::Status(status)),
        }
    }
}

/// Adds what one call did, which must be something and not more than was asked for.
fn advance(done: u64, step: u64, size: u64) -> Result<u64, IommuError> {
    match done.checked_add(step) {
        Some(sum) if step != 0 && sum <= size => Ok(sum),
        _ => Err(IommuError::Stuck(done)),
    }
}

/// An answer that was OK, and whose values are not.
const fn malformed([x4, x5, x6, x7]: [u64; 4]) -> IommuError {
    IommuError::Malformed([0, x4, x5, x6, x7])
}

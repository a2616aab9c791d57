// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Takes apart what callers send: transaction descriptors, retrieve requests, relinquish descriptors. Each field is copied
//! out of the send buffer once, and what was copied is what counts.
//!
//! Only what can be said of a descriptor by itself is checked here.

use arm_ffa::FfaError;
use heapless::Vec;

use super::share::{Handle, MAX_RECEIVERS};
use super::spec::{
    Attributes, Format, Permissions, access, composite, header, relinquish, u16_at, u32_at, u64_at,
};
use crate::hardware::Hardware;
use crate::mailbox::MailboxOwner;
use crate::manifest::AddressRange;

/// A caller's send buffer, as far as it is filled. It is mapped, and what stands in it may change at any time.
pub(super) struct Sent<'a, H> {
    pub(super) hardware: &'a H,
    pub(super) owner: MailboxOwner,
    /// Bytes that can be read.
    pub(super) length: usize,
}

impl<H: Hardware> Sent<'_, H> {
    /// Copies `bytes.len()` bytes.
    ///
    /// # Errors
    /// `InvalidParameters`: not all of them are in the buffer.
    pub(super) fn copy(&self, offset: usize, bytes: &mut [u8]) -> Result<(), FfaError> {
        match offset.checked_add(bytes.len()) {
            Some(end) if end <= self.length => {
                self.hardware.read_send_buffer(self.owner, offset, bytes);
                Ok(())
            }
            _ => Err(FfaError::InvalidParameters),
        }
    }
}

/// An entry of the access array.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) endpoint: u16,
    pub(super) permissions: Permissions,
    pub(super) flags: u8,
    pub(super) composite_offset: u32,
    pub(super) implementation_defined: [u8; access::IMPLEMENTATION_DEFINED_BYTES],
}

/// A memory transaction descriptor up to the end of its access array.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) sender: u16,
    pub(super) raw_attributes: u16,
    pub(super) attributes: Attributes,
    pub(super) flags: u32,
    pub(super) handle: Handle,
    pub(super) tag: u64,
    /// Each endpoint is at most once in it.
    pub(super) access: Vec<Access, MAX_RECEIVERS>,
    /// Where the access array ends.
    pub(super) end: usize,
}

impl Descriptor {
    /// Copies and checks a descriptor (MM table 1.20; 4.17 for callers of 1.0).
    ///
    /// # Errors
    /// `InvalidParameters`.
    pub(super) fn parse(sent: &Sent<'_, impl Hardware>, format: Format) -> Result<Self, FfaError> {
        let mut buffer = [0; 48];
        let bytes = buffer.get_mut(..format.header_bytes()).ok_or(FfaError::InvalidParameters)?;
        sent.copy(0, bytes)?;
        let raw_attributes = u16_at(bytes, header::ATTRIBUTES);
        let count = u32_at(bytes, header::ACCESS_COUNT);
        let mut descriptor = Self {
            sender: u16_at(bytes, header::SENDER),
            raw_attributes,
            attributes: Attributes::parse(raw_attributes)?,
            flags: u32_at(bytes, header::FLAGS),
            handle: Handle::from_raw(u64_at(bytes, header::HANDLE)),
            tag: u64_at(bytes, header::TAG),
            access: Vec::new(),
            end: format.header_bytes(),
        };
        let (size, mut at) = match format {
            Format::V1_0 => (access::SHORT, format.header_bytes()),
            // A hypervisor that asks by a handle alone names no size.
            _ if count == 0 => (0, format.header_bytes()),
            Format::V1_1 | Format::V1_2 => {
                (narrow(u32_at(bytes, header::ACCESS_SIZE))?, narrow(u32_at(bytes, header::ACCESS_OFFSET))?)
            }
        };
        let reserved = match format {
            Format::V1_0 => bytes.get(header::ACCESS_SIZE..header::ACCESS_COUNT),
            Format::V1_1 | Format::V1_2 => bytes.get(header::RESERVED..),
        };
        require_zero(reserved)?;
        if count == 0 {
            return Ok(descriptor);
        }
        let aligned = at.is_multiple_of(header::ACCESS_ALIGNMENT) && at >= format.header_bytes();
        if !aligned || !format.takes_access_bytes(size) {
            return Err(FfaError::InvalidParameters);
        }
        for _ in 0..count {
            let mut entry = [0; access::LONG];
            let entry = entry.get_mut(..size).ok_or(FfaError::InvalidParameters)?;
            sent.copy(at, entry)?;
            at = at.saturating_add(size);
            let entry = Access::parse(entry)?;
            if descriptor.access.iter().any(|other| other.endpoint == entry.endpoint) {
                return Err(FfaError::InvalidParameters);
            }
            // There are no more endpoints than there is room for: one of them is none.
            descriptor.access.push(entry).map_err(|_| FfaError::InvalidParameters)?;
        }
        descriptor.end = at;
        Ok(descriptor)
    }
}

impl Access {
    fn parse(bytes: &[u8]) -> Result<Self, FfaError> {
        let mut implementation_defined = [0; access::IMPLEMENTATION_DEFINED_BYTES];
        let reserved = bytes.len().saturating_sub(access::RESERVED_BYTES);
        require_zero(bytes.get(reserved..))?;
        if bytes.len() == access::LONG
            && let Some(field) =
                bytes.get(access::IMPLEMENTATION_DEFINED..).and_then(|rest| rest.first_chunk())
        {
            implementation_defined = *field;
        }
        let byte = |offset| bytes.get(offset).copied().unwrap_or_default();
        Ok(Self {
            endpoint: u16_at(bytes, access::ENDPOINT),
            permissions: Permissions::parse(byte(access::PERMISSIONS))?,
            flags: byte(access::FLAGS),
            composite_offset: u32_at(bytes, access::COMPOSITE_OFFSET),
            implementation_defined,
        })
    }
}

/// The head of a composite memory region descriptor (MM table 1.13).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Composite {
    pub(super) pages: u32,
    pub(super) ranges: u32,
    /// Where the first constituent is.
    pub(super) first: usize,
}

impl Composite {
    /// Copies and checks the one at `offset`, behind the access array that ends at `after`, of a descriptor of `total` bytes,
    /// which ends with its last constituent.
    ///
    /// # Errors
    /// `InvalidParameters`.
    pub(super) fn parse(
        sent: &Sent<'_, impl Hardware>,
        offset: u32,
        after: usize,
        total: u32,
    ) -> Result<Self, FfaError> {
        let at = narrow(offset)?;
        let mut bytes = [0; composite::BYTES];
        sent.copy(at, &mut bytes)?;
        let parsed = Self {
            pages: u32_at(&bytes, composite::TOTAL_PAGES),
            ranges: u32_at(&bytes, composite::RANGE_COUNT),
            first: at + composite::BYTES,
        };
        require_zero(bytes.get(composite::RESERVED..))?;
        let end = parsed.first as u64 + u64::from(parsed.ranges) * composite::CONSTITUENT_BYTES as u64;
        if at < after || parsed.ranges == 0 || end != u64::from(total) {
            return Err(FfaError::InvalidParameters);
        }
        Ok(parsed)
    }
}

/// Checks one constituent (MM table 1.14).
///
/// # Errors
/// `InvalidParameters`.
pub(super) fn constituent(bytes: &[u8; composite::CONSTITUENT_BYTES]) -> Result<AddressRange, FfaError> {
    // The first address, the number of pages, and what is reserved; all at once, for there may be thousands.
    let words = u128::from_le_bytes(*bytes);
    let (start, rest) = (low_half(words), low_half(words >> 64));
    let pages = u32::try_from(rest).map_err(|_| FfaError::InvalidParameters)?;
    AddressRange::from_pages(start, u64::from(pages)).map_err(|_| FfaError::InvalidParameters)
}

#[expect(clippy::cast_possible_truncation, reason = "that is its purpose")]
const fn low_half(words: u128) -> u64 {
    words as u64
}

/// FFA_MEM_RELINQUISH's descriptor (MM table 2.25): the handle, the flags, and the one endpoint.
///
/// # Errors
/// `InvalidParameters`, also if it names several endpoints: a caller has no proxies.
pub(super) fn relinquished(sent: &Sent<'_, impl Hardware>) -> Result<(Handle, u32, u16), FfaError> {
    let mut bytes = [0; relinquish::BYTES];
    sent.copy(0, &mut bytes)?;
    if u32_at(&bytes, relinquish::ENDPOINT_COUNT) != 1 {
        return Err(FfaError::InvalidParameters);
    }
    let handle = Handle::from_raw(u64_at(&bytes, relinquish::HANDLE));
    Ok((handle, u32_at(&bytes, relinquish::FLAGS), u16_at(&bytes, relinquish::ENDPOINTS)))
}

/// Refuses a reserved field that is not zero.
fn require_zero(field: Option<&[u8]>) -> Result<(), FfaError> {
    match field {
        Some(bytes) if bytes.iter().all(|byte| *byte == 0) => Ok(()),
        _ => Err(FfaError::InvalidParameters),
    }
}

fn narrow(value: u32) -> Result<usize, FfaError> {
    usize::try_from(value).map_err(|_| FfaError::InvalidParameters)
}

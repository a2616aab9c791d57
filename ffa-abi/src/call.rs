// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The call page: requests and answers that are rare and of no fixed size, in a page that a client shares.
//!
//! They are in postcard's wire format (version 1): numbers of more than 8 bits as varints, low bits first; arrays of bytes as
//! they are; lists behind their length; enums behind the number of what they are. Order and numbers here are wire format.

use crate::{AreaHandle, Status};
use heapless::Vec;
use serde::{Deserialize, Serialize};

/// The most bytes of a request.
pub const CALL_REQUEST_BYTES: usize = 16;
/// The most bytes of an answer.
pub const CALL_ANSWER_BYTES: usize = 512;
/// The most devices of an answer.
pub const DEVICES_PER_CALL: usize = 8;

/// Where a request stands, and its answer comes to stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// The memory that the page is in.
    pub area: AreaHandle,
    /// Which page of it, from 0.
    pub page: u16,
    /// Bytes of the request, from the page's start on: at least one, at most [`CALL_REQUEST_BYTES`].
    pub bytes: u16,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallRequest {
    /// 0: The devices that the caller may hold, from a place in their list on.
    Devices {
        /// The place, from 0: 0, or what the answer before said.
        first: u16,
    },
    /// 1: What the caller uses of what it may.
    Statistics,
    /// 2: The digest of the policy in force.
    PolicyDigest,
}

/// The answer, under the number of its request.
#[expect(clippy::large_enum_variant, reason = "one is made, written and dropped; nothing here has a heap")]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CallAnswer {
    /// 0: Devices.
    Devices {
        /// Where to go on, if these are not the last.
        next: Option<u16>,
        /// Devices that follow each other in the list.
        devices: Vec<DeviceEntry, DEVICES_PER_CALL>,
    },
    /// 1: What the caller uses.
    Statistics {
        /// Pages of the pool that tables of its domains take.
        pool_used: u32,
        /// Pages of the pool that are left for them.
        pool_left: u32,
    },
    /// 2: SHA-256 of the policy.
    PolicyDigest([u8; 32]),
}

/// What the policy says of one device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceEntry {
    /// The SMMU that it is behind.
    pub smmu: u16,
    /// Its first stream ID.
    pub first: u32,
    /// How many stream IDs it has.
    pub count: u16,
    /// Its name: ASCII, padded with zeros.
    pub name: [u8; 16],
    /// First IOVA of its window.
    pub window_base: u64,
    /// Bytes of its window.
    pub window_size: u64,
    /// Whether it may be set to identity.
    pub identity: bool,
}

impl CallRequest {
    /// Kinds that there are.
    const KINDS: u8 = 3;

    /// Reads a request: all of the bytes.
    ///
    /// # Errors
    /// [`Status::NotSupported`] for a kind that does not exist, [`Status::InvalidParameters`] for what is cut short, too long or no
    /// number.
    pub fn decode(bytes: &[u8]) -> Result<Self, Status> {
        if bytes.first().is_some_and(|kind| *kind >= Self::KINDS) {
            return Err(Status::NotSupported);
        }
        match postcard::take_from_bytes(bytes) {
            Ok((request, [])) => Ok(request),
            Ok(_) | Err(_) => Err(Status::InvalidParameters),
        }
    }

    /// Writes a request, and returns its bytes; `None` where they do not fit.
    #[must_use]
    pub fn encode(self, to: &mut [u8]) -> Option<usize> {
        postcard::to_slice(&self, to).ok().map(|bytes| bytes.len())
    }
}

impl CallAnswer {
    /// Writes an answer, and returns its bytes; `None` where they do not fit, which [`CALL_ANSWER_BYTES`] always do.
    #[must_use]
    pub fn encode(&self, to: &mut [u8]) -> Option<usize> {
        postcard::to_slice(self, to).ok().map(|bytes| bytes.len())
    }

    /// Reads an answer: all of the bytes; `None` for what is none.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        match postcard::take_from_bytes(bytes) {
            Ok((answer, [])) => Some(answer),
            Ok(_) | Err(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn largest() -> DeviceEntry {
        DeviceEntry {
            smmu: u16::MAX,
            first: u32::MAX,
            count: u16::MAX,
            name: [b'n'; 16],
            window_base: u64::MAX,
            window_size: u64::MAX,
            identity: true,
        }
    }

    #[test]
    fn requests_are_the_bytes_that_the_book_has() {
        let golden: [(CallRequest, &[u8]); 4] = [
            (CallRequest::Devices { first: 5 }, &[0, 5]),
            (CallRequest::Devices { first: 0x1234 }, &[0, 0xb4, 0x24]),
            (CallRequest::Statistics, &[1]),
            (CallRequest::PolicyDigest, &[2]),
        ];
        for (request, bytes) in golden {
            let mut to = [0; CALL_REQUEST_BYTES];
            let length = request.encode(&mut to).unwrap();
            assert_eq!(&to[..length], bytes);
            assert_eq!(CallRequest::decode(bytes), Ok(request));
        }
    }

    #[test]
    fn answers_are_the_bytes_that_the_book_has() {
        let device = DeviceEntry {
            smmu: 2,
            first: 0x1_2345,
            count: 0x102,
            name: *b"sixteen-letters!",
            window_base: 0x10_0000,
            window_size: 1 << 32,
            identity: true,
        };
        let devices = Vec::from_slice(&[device]).unwrap();
        let mut wanted = vec![0, 1, 9, 1, 2, 0xc5, 0xc6, 0x04, 0x82, 0x02];
        wanted.extend_from_slice(b"sixteen-letters!");
        wanted.extend_from_slice(&[0x80, 0x80, 0x40, 0x80, 0x80, 0x80, 0x80, 0x10, 1]);
        let mut digest = vec![2];
        digest.extend_from_slice(&[7; 32]);
        let golden = [
            (CallAnswer::Devices { next: Some(9), devices }, wanted),
            (CallAnswer::Devices { next: None, devices: Vec::new() }, vec![0, 0, 0]),
            (CallAnswer::Statistics { pool_used: 3, pool_left: 300 }, vec![1, 3, 0xac, 2]),
            (CallAnswer::PolicyDigest([7; 32]), digest),
        ];
        for (answer, bytes) in golden {
            let mut to = [0; CALL_ANSWER_BYTES];
            let length = answer.encode(&mut to).unwrap();
            assert_eq!(&to[..length], bytes);
            assert_eq!(CallAnswer::decode(&bytes), Some(answer));
        }
    }

    #[test]
    fn the_longest_answer_fits() {
        let devices = Vec::from_slice(&[largest(); DEVICES_PER_CALL]).unwrap();
        let answer = CallAnswer::Devices { next: Some(u16::MAX), devices };
        assert!(answer.encode(&mut [0; CALL_ANSWER_BYTES]).is_some());
    }

    #[test]
    fn what_is_no_request_says_why() {
        let bad: [(&[u8], Status); 7] = [
            (&[], Status::InvalidParameters),
            (&[0], Status::InvalidParameters),
            (&[0, 0x80], Status::InvalidParameters),
            (&[0, 0xff, 0xff, 0xff, 0], Status::InvalidParameters),
            (&[1, 0], Status::InvalidParameters),
            (&[3], Status::NotSupported),
            (&[0x81, 0], Status::NotSupported),
        ];
        for (bytes, status) in bad {
            assert_eq!(CallRequest::decode(bytes), Err(status), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = (CallRequest::decode(&bytes), CallAnswer::decode(&bytes));
        }
    }
}

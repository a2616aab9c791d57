// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Messages by FFA_MSG_SEND_DIRECT_REQ2: to which service, and that they say no more than a short one. What they ask for is
//! answered as the short one that they hold.

use super::Service;
use crate::client::Client;
use crate::smmu::Smmu;
use ffa_abi::{ExtendedRegisters, HypMessage, Registers, Response, ServiceId, Status, extend, shorten};

impl<S: Smmu> Service<'_, S> {
    /// Answers one message of an endpoint to the service whose UUID x2–x3 hold: x4–x17 in, x4–x17 out. As [`Self::handle`]
    /// otherwise.
    pub fn handle_extended(
        &self,
        endpoint: u16,
        service: [u64; 2],
        registers: ExtendedRegisters,
    ) -> ExtendedRegisters {
        let (short, more) = shorten(registers);
        let answer = match self.refusal(endpoint, ServiceId::from_registers(service), short, more) {
            None => self.handle(endpoint, short),
            Some(status) => Response::status(status).encode(),
        };
        extend(answer)
    }

    /// Returns why a message is not to be answered as the short one that it holds.
    fn refusal(
        &self,
        endpoint: u16,
        service: Option<ServiceId>,
        short: Registers,
        more: u64,
    ) -> Option<Status> {
        if Client::of(endpoint).is_none() {
            return Some(Status::Denied);
        }
        let keyed = HypMessage::of(short);
        match (service, keyed) {
            (None, _) | (Some(ServiceId::Hyp), None) => Some(Status::NotSupported),
            (Some(_), _) if more == 0 => None,
            (Some(_), None) => Some(Status::InvalidParameters),
            // Nothing else of such a message is looked at before its key.
            (Some(_), Some(message)) => {
                Some(self.role.check(message.key).err().unwrap_or(Status::InvalidParameters))
            }
        }
    }
}

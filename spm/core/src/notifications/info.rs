// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The answer of FFA_NOTIFICATION_INFO_GET: lists of who has to be run (FF-A 1.2 §16.7).
//!
//! A list is an endpoint's ID and those of its vCPUs that have notifications of their own. There are none of these, so
//! each list is one ID, and the sizes of all lists, bits 12 and up of w2, are 0.

use heapless::Vec;

use crate::endpoint::EndpointId;
use crate::function;
use crate::registers::{MessageRegisters, answer};

/// IDs in x3–x7, and in w3–w7.
const MOST_64: usize = 20;
const MOST_32: usize = 10;
/// w2, bit 0: there are more than are told here.
const MORE: u64 = 1;
/// w2, bits 11–7: how many lists there are.
const LISTS_SHIFT: u32 = 7;

/// Who has to be run, as far as one answer has room.
#[derive(Debug, Default)]
pub(super) struct Info {
    ids: Vec<EndpointId, MOST_64>,
    is_64bit: bool,
    more: bool,
}

impl Info {
    pub(super) fn new(is_64bit: bool) -> Self {
        Self { is_64bit, ..Self::default() }
    }

    /// Adds an endpoint. False if there is no room for it; the answer then says that there are more.
    #[must_use]
    pub(super) fn add(&mut self, id: EndpointId) -> bool {
        let room = if self.is_64bit { MOST_64 } else { MOST_32 };
        let added = self.ids.len() < room && self.ids.push(id).is_ok();
        self.more |= !added;
        added
    }

    /// Writes the answer. False if there is nothing to tell; nothing is written then.
    #[must_use]
    pub(super) fn answer(&self, registers: &mut MessageRegisters) -> bool {
        if self.ids.is_empty() {
            return false;
        }
        let (function, in_register) =
            if self.is_64bit { (function::SUCCESS_64, 4) } else { (function::SUCCESS_32, 2) };
        answer(registers, [function, 0, 0, 0, 0, 0, 0, 0]);
        let [_, _, lists, packed @ ..] = registers;
        *lists = (self.ids.len() as u64) << LISTS_SHIFT | if self.more { MORE } else { 0 };
        for (register, ids) in packed.iter_mut().zip(self.ids.chunks(in_register)) {
            for id in ids.iter().rev() {
                *register = *register << 16 | u64::from(id.0);
            }
        }
        true
    }
}

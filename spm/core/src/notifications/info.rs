// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The answer of FFA_NOTIFICATION_INFO_GET: lists of who has to be run (FF-A 1.2 §16.7).
//!
//! A list is an endpoint's ID, and up to three of its vCPUs that have notifications of their own. An endpoint with more of
//! these has several lists; one with global notifications alone has one list without vCPUs.

use heapless::Vec;

use super::receiver::State;
use super::vcpus::Vcpus;
use crate::endpoint::EndpointId;
use crate::function;
use crate::registers::{MessageRegisters, answer};

/// IDs in x3–x7, and in w3–w7.
const MOST_64: usize = 20;
const MOST_32: usize = 10;
/// IDs in a list.
const MOST_IN_LIST: usize = 4;
/// w2, bit 0: there are more than are told here.
const MORE: u64 = 1;
/// w2, bits 11–7: how many lists there are.
const LISTS_SHIFT: u32 = 7;
/// x2, from bit 12 on: two bits for each list, which say how many IDs it has beyond the first.
const SIZES_SHIFT: u32 = 12;
const BITS_OF_SIZE: u32 = 2;

/// Who has to be run, as far as one answer has room.
#[derive(Debug, Default)]
pub(super) struct Info {
    /// All lists, one behind the other.
    ids: Vec<u16, MOST_64>,
    /// How many vCPUs are in each list.
    vcpus: Vec<u8, MOST_64>,
    is_64bit: bool,
    more: bool,
}

impl Info {
    pub(super) fn new(is_64bit: bool) -> Self {
        Self { is_64bit, ..Self::default() }
    }

    /// Tells of whatever an endpoint's scheduler does not know yet, and notes that it does now: notifications in `state`, and
    /// vCPUs `waiting` for it for another reason. If there is no room for all, the answer says that there are more. Returns the
    /// vCPUs that it tells of.
    pub(super) fn tell(&mut self, id: EndpointId, mut state: Option<&mut State>, waiting: Vcpus) -> Vcpus {
        let unreported = state.as_ref().map(|state| state.unreported()).unwrap_or_default();
        let mut vcpus = unreported.vcpus.or(waiting).numbers().peekable();
        let mut told = Vcpus::NONE;
        let mut report = |vcpu: Option<u16>| match (&mut state, vcpu) {
            (Some(state), Some(vcpu)) => state.report_vcpu(vcpu),
            (Some(state), None) => state.report(),
            (None, _) => {}
        };
        if unreported.receiver && vcpus.peek().is_none() && self.begin(id, 1) {
            report(None);
        }
        while vcpus.peek().is_some() && self.begin(id, 2) {
            // An endpoint's ID alone would say the same of the rest.
            report(None);
            for vcpu in vcpus.by_ref().take(self.room().min(MOST_IN_LIST - 1)) {
                self.append(vcpu);
                report(Some(vcpu));
                told = told.with(vcpu);
            }
        }
        told
    }

    /// Begins a list that has at least `wanted` IDs. False if there is no room for it.
    fn begin(&mut self, id: EndpointId, wanted: usize) -> bool {
        let begun = self.room() >= wanted && self.ids.push(id.0).is_ok() && self.vcpus.push(0).is_ok();
        self.more |= !begun;
        begun
    }

    /// Adds a vCPU to the last list.
    fn append(&mut self, vcpu: u16) {
        if let Some(vcpus) = self.vcpus.last_mut()
            && self.ids.push(vcpu).is_ok()
        {
            *vcpus = vcpus.saturating_add(1);
        }
    }

    /// Returns how many more IDs the registers hold.
    fn room(&self) -> usize {
        let most = if self.is_64bit { MOST_64 } else { MOST_32 };
        most.saturating_sub(self.ids.len())
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
        let more = if self.more { MORE } else { 0 };
        let sizes = self.vcpus.iter().rev().fold(0, |sizes, vcpus| sizes << BITS_OF_SIZE | u64::from(*vcpus));
        *lists = sizes << SIZES_SHIFT | (self.vcpus.len() as u64) << LISTS_SHIFT | more;
        for (register, ids) in packed.iter_mut().zip(self.ids.chunks(in_register)) {
            for id in ids.iter().rev() {
                *register = *register << 16 | u64::from(*id);
            }
        }
        true
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What becomes of a device's access (IHI 0070, 3.3, 3.9 and 6.3.9): aborted, or on its way to an address.

use super::tlb::Key;
use super::{Smmu, Surroundings};
use crate::architecture::command::Scope;
use crate::architecture::event::Kind as Event;
use crate::architecture::registers::{ATSCHK, SMMUEN};
use crate::architecture::stream_table::Config;

/// How a device addresses memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// By an address that is to be translated.
    Untranslated,
    /// By one that it says was translated already (ATS).
    Translated,
}

/// An access of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Transaction {
    pub(crate) stream: u32,
    pub(crate) address: u64,
    pub(crate) write: bool,
    pub(crate) kind: Kind,
}

/// An access on its way to memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Access {
    pub(crate) transaction: Transaction,
    /// Where it goes.
    pub(crate) address: u64,
    /// What translated it, if anything did.
    by: Option<Key>,
}

/// What becomes of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is aborted.
    Aborted,
    /// It goes to memory.
    Goes(Access),
}

impl Access {
    /// Tells whether an invalidation targets what translated it.
    pub(super) fn is_of(&self, scope: &Scope) -> bool {
        self.by.is_some_and(|key| key.is_hit(scope))
    }
}

/// Accesses that can be under way at a time.
const MOST_UNDER_WAY: usize = 8;

impl Smmu {
    /// Issues an access of a device, whose fate is decided now.
    pub(crate) fn issue(&mut self, transaction: Transaction, around: &mut Surroundings) -> Outcome {
        let control = self.registers.control(&mut around.random);
        if control & SMMUEN == 0 {
            // Translated traffic is aborted then (6.3.9.6).
            if self.registers.aborts(&mut around.random) || transaction.kind == Kind::Translated {
                return Outcome::Aborted;
            }
            return Outcome::Goes(Access { transaction, address: transaction.address, by: None });
        }
        // Translated traffic exists with ATS only; without ATSCHK nobody looks at it (6.3.9, ATSCHK).
        if transaction.kind == Kind::Translated {
            if !self.features.has_ats() {
                return Outcome::Aborted;
            }
            if control & ATSCHK == 0 {
                return Outcome::Goes(Access { transaction, address: transaction.address, by: None });
            }
        }
        match self.translate(transaction, around) {
            Ok(access) => Outcome::Goes(access),
            Err(None) => Outcome::Aborted,
            Err(Some(event)) => {
                self.report(event, transaction.stream, transaction.address, transaction.write, around);
                Outcome::Aborted
            }
        }
    }

    fn translate(
        &mut self,
        transaction: Transaction,
        around: &mut Surroundings,
    ) -> Result<Access, Option<Event>> {
        let entry = self.configuration(transaction.stream, around)?;
        if transaction.kind == Kind::Translated {
            return match entry.ats {
                0 => Err(Some(Event::TranslatedForbidden)),
                // Translated traffic passes as it is.
                _ => Ok(Access { transaction, address: transaction.address, by: None }),
            };
        }
        let Transaction { stream, address: input, .. } = transaction;
        let (key, leaf) = match entry.config {
            Config::Abort => return Err(None),
            Config::Bypass => return Ok(Access { transaction, address: input, by: None }),
            Config::Stage2(stage2) => self.stage2(&stage2, input, around)?,
            Config::Stage1(contexts) => self.stage1((contexts, None), (stream, input), around)?,
            Config::Nested(contexts, stage2) => {
                self.stage1((contexts, Some(&stage2)), (stream, input), around)?
            }
        };
        if !leaf.stage2_allows(transaction.write) {
            return Err(Some(Event::Permission));
        }
        Ok(Access { transaction, address: leaf.base + (input - key.input), by: Some(key) })
    }

    /// Lets an access take its time on the way, and returns it if it does not. One that bypassed the SMMU is out of its
    /// hands: no update of GBPA waits for it (6.3.14.1).
    pub(crate) fn delay(&mut self, access: Access) -> Option<Access> {
        if self.under_way.len() >= MOST_UNDER_WAY || access.by.is_none() {
            return Some(access);
        }
        self.under_way.push(access);
        None
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_MEM_PERM_GET and FFA_MEM_PERM_SET (MM §2.8, §2.9): what a partition at S-EL0, which has no stage 1, may do with each page
//! of its own memory.
//!
//! That they are only for its start is checked by whoever calls these.

use arm_ffa::FfaError;
use arm_ffa::memory_management::{DataAccessPermGetSet, InstructionAccessPermGetSet, MemPermissionsGetSet};

use super::ownership::Holding;
use super::{AddressSpaces, Memory, Owner, State, World};
use crate::mailbox::BufferPair;
use crate::manifest::AddressRange;
use crate::manifest::region::Security;
use crate::stage2::{Grain, Rights};

/// Bits of w3 of FFA_MEM_PERM_SET that have a meaning.
const DEFINED: u32 = 0b111;

/// Takes w3 of FFA_MEM_PERM_SET. What can be both written and executed is refused, and so is memory without any access, which
/// nothing here would tell from memory that is not the partition's.
fn rights_of(word: u32) -> Result<Rights, FfaError> {
    if word & !DEFINED != 0 {
        return Err(FfaError::InvalidParameters);
    }
    let MemPermissionsGetSet { data_access, instr_access } =
        word.try_into().map_err(|_| FfaError::InvalidParameters)?;
    match (data_access, instr_access) {
        (DataAccessPermGetSet::ReadOnly, InstructionAccessPermGetSet::NonExecutable) => {
            Ok(Rights { write: false, execute: false })
        }
        (DataAccessPermGetSet::ReadOnly, InstructionAccessPermGetSet::Executable) => {
            Ok(Rights { write: false, execute: true })
        }
        (DataAccessPermGetSet::ReadWrite, InstructionAccessPermGetSet::NonExecutable) => {
            Ok(Rights { write: true, execute: false })
        }
        (DataAccessPermGetSet::ReadWrite, InstructionAccessPermGetSet::Executable)
        | (DataAccessPermGetSet::NoAccess, _) => Err(FfaError::InvalidParameters),
    }
}

/// Returns w2 of the answer to FFA_MEM_PERM_GET.
fn word_of(rights: Rights) -> u32 {
    let data_access =
        if rights.write { DataAccessPermGetSet::ReadWrite } else { DataAccessPermGetSet::ReadOnly };
    let instr_access = if rights.execute {
        InstructionAccessPermGetSet::Executable
    } else {
        InstructionAccessPermGetSet::NonExecutable
    };
    MemPermissionsGetSet { data_access, instr_access }.into()
}

impl Memory {
    /// Returns what the partition at `place` may do with the page at `address`, as w2 of the answer has it.
    ///
    /// # Errors
    /// `InvalidParameters` for what is no page of its own.
    pub(crate) fn permissions(
        &self,
        place: usize,
        address: u64,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<u32, FfaError> {
        let page = pages(address, 1)?;
        let state = self.0.lock();
        state.own_page(place, page, world).map(|holding| word_of(holding.rights))
    }

    /// Changes what the partition at `place` may do with `count` pages from `address` on, by w3 of the call. `buffers` are its
    /// own.
    ///
    /// # Errors
    /// `InvalidParameters` for permissions that there are not, and what are no pages of its own; `Denied` for memory that
    /// is part of a transaction or a buffer for messages; `NoMemory` if it has too many parts with different permissions.
    pub(crate) fn set_permissions(
        &self,
        place: usize,
        buffers: Option<BufferPair>,
        (address, count): (u64, u32),
        permissions: u32,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<(), FfaError> {
        let rights = rights_of(permissions)?;
        let range = pages(address, u64::from(count))?;
        let mut state = self.0.lock();
        let own = world.partitions.get(place).is_some_and(|partition| partition.memory().contains(range));
        if !own {
            return Err(FfaError::InvalidParameters);
        }
        for page in each_page(range) {
            state.own_page(place, page, world)?;
        }
        let is_buffer =
            buffers.is_some_and(|pair| [pair.receive, pair.send].iter().any(|buffer| buffer.overlaps(range)));
        if is_buffer || state.constituents.overlaps(range) {
            return Err(FfaError::Denied);
        }
        let owner = Owner::Partition(place);
        if !state.ownership.has_room_for(owner, 1) {
            return Err(FfaError::NoMemory);
        }
        // Invalid between, so that no TLB sees two entries for a page. What a partition owns, and has not sent to anybody, is
        // prepared by pages, and stays so.
        world.spaces.unmap(place, Security::Secure, range);
        world.spaces.publish(place);
        world.spaces.map(place, Security::Secure, range, Grain::Pages, rights);
        world.spaces.publish(place);
        for page in each_page(range) {
            // Pages can have had different rights, and one call of `give` takes from one entry.
            state.ownership.give(page, (owner, place), Security::Secure, rights);
        }
        Ok(())
    }
}

impl State {
    fn own_page(
        &self,
        place: usize,
        page: AddressRange,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<Holding, FfaError> {
        self.holding(Owner::Partition(place), page, world)
            .filter(|holding| holding.security == Security::Secure)
            .ok_or(FfaError::InvalidParameters)
    }
}

fn pages(address: u64, count: u64) -> Result<AddressRange, FfaError> {
    AddressRange::from_pages(address, count).map_err(|_| FfaError::InvalidParameters)
}

fn each_page(range: AddressRange) -> impl Iterator<Item = AddressRange> {
    let first = AddressRange::from_pages(range.start(), 1).ok();
    core::iter::successors(first, move |page| {
        AddressRange::from_pages(page.end(), 1).ok().filter(|next| range.contains(*next))
    })
}

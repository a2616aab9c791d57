// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Gives a partition that starts again its memory as its manifest says, whatever rights it gave itself, and whatever was lost
//! when loans came back.

use super::ownership::region_grain;
use super::{AddressSpaces, Memory, World};
use crate::manifest::region::Security;
use crate::stage2::Grain;

/// Some of the partition's memory cannot be made its own again: it was donated, is part of a transaction, or there are no
/// tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotItsOwn;

impl Memory {
    /// Maps the memory of the partition at `place`, and its memory regions, as they were mapped before it first ran. It runs on
    /// no core, and [`Memory::release`] has left nothing. What was donated to it stays its own.
    ///
    /// # Errors
    /// [`NotItsOwn`]; then the partition cannot run any more, and some of its memory may not be mapped.
    pub(crate) fn restore(
        &self,
        place: usize,
        world: &World<'_, impl AddressSpaces>,
    ) -> Result<(), NotItsOwn> {
        let mut state = self.0.lock();
        let partition = world.partitions.get(place).ok_or(NotItsOwn)?;
        let own = (partition.memory(), Security::Secure, partition.own_rights());
        let regions = partition.memory_regions().iter();
        let regions = regions.map(|region| (region.range, region.security, region.access.into()));
        for (range, security, rights) in core::iter::once(own).chain(regions) {
            if state.ownership.is_given_away(range, place) || state.constituents.overlaps(range) {
                return Err(NotItsOwn);
            }
            // What is mapped by blocks can neither be lent nor donated.
            if range != partition.memory() && region_grain(range) != Grain::Pages {
                continue;
            }
            if !state.ownership.forget(range) {
                return Err(NotItsOwn);
            }
            // Invalid between, so that no TLB sees two entries for a page.
            world.spaces.unmap(place, security, range);
            world.spaces.publish(place);
            let prepared = world.spaces.prepare(place, security, range, Grain::Pages);
            prepared.map_err(|_| NotItsOwn)?;
            world.spaces.map(place, security, range, Grain::Pages, rights);
            world.spaces.publish(place);
        }
        Ok(())
    }
}

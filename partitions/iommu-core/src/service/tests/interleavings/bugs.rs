// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bugs that show when cores meet, or to who looks in between: each is found by a test beside this.

use super::*;
use super::{devices, health, mappings, pages};
use crate::interleavings::is_found;
use crate::seeded::choose;

fn is_found_by(bug: Bug, test: fn()) {
    choose(Some(bug));
    let found = is_found(test);
    choose(None);
    assert!(found, "{bug:?} is not found");
}

#[test]
fn interleavings_find_bugs_of_unmaps() {
    is_found_by(Bug::SettledEarly, mappings::what_is_unmapped_is_forgotten);
    is_found_by(Bug::LeavingIsHole, mappings::what_is_unmapped_is_forgotten);
    is_found_by(Bug::UnpinnedEarly, mappings::what_is_unmapped_is_forgotten);
}

#[test]
fn interleavings_find_bugs_of_tables() {
    is_found_by(Bug::TableFreedEarly, mappings::no_table_goes_that_somebody_uses);
    is_found_by(Bug::TableUnpinnedEarly, mappings::no_table_goes_that_somebody_uses);
    is_found_by(Bug::LostTable, mappings::a_table_is_made_once);
}

#[test]
fn interleavings_find_bugs_of_moves() {
    is_found_by(Bug::PinnedLate, pages::a_page_that_is_taken_is_out_of_reach);
    is_found_by(Bug::MovedThoughPinned, pages::a_page_that_is_taken_is_out_of_reach);
    is_found_by(Bug::BlockPinIgnored, pages::a_block_with_a_page_that_is_taken_is_not_mapped_as_one);
    is_found_by(Bug::ClosedBlockMapped, pages::a_block_with_a_page_that_is_taken_is_not_mapped_as_one);
}

#[test]
fn interleavings_find_bugs_of_domains_that_end() {
    is_found_by(Bug::FreedInUse, devices::no_domain_ends_that_a_device_uses);
    is_found_by(Bug::VmidUsedAgain, devices::no_domain_ends_that_a_device_uses);
}

#[test]
fn interleavings_find_bugs_of_interrupts() {
    is_found_by(Bug::DueForgotten, health::no_fault_is_lost);
}

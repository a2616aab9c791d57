// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What other scenarios try at EL2, tried as an attack: the service must hold, whoever runs below the caller.

use crate::{
    dma::{devices, dispute, domains, flood, memory, messages, parallel, transfers, unasked},
    scenario::{Audience::Test, Outcome, Scenario},
    world::World,
};

/// First of all: nothing has been asked of the service yet.
pub(super) const FIRST: &[Scenario] = &[attack(
    "boot-time-dma",
    "DMA before anybody has asked for any",
    "read a page and write another by their physical addresses; then the same, mapped",
    1,
    unasked::unasked,
)];

pub(super) const SCENARIOS: &[Scenario] = &[
    attack(
        "stream-of-another",
        "A stream ID of another holder",
        "attach and block it; DMA of its device to where the host's own device writes",
        1,
        devices::nobodys,
    ),
    attack(
        "stream-unknown",
        "A stream ID that is not in the policy",
        "attach and block it; DMA of its device to where the host's own device writes",
        1,
        devices::unlisted,
    ),
    attack(
        "stream-out-of-range",
        "A stream ID out of range, or of the wrong SMMU",
        "attach and block: the neighbour's, an unknown one, one beyond the SMMU, the last number, another SMMU",
        1,
        devices::other_stream,
    ),
    attack(
        "map-secure",
        "Secure memory mapped for a device",
        "map spm's, the service's and another partition's memory; DMA there, which the partition looks for",
        1,
        memory::secure,
    ),
    attack(
        "map-registers",
        "Device registers mapped for a device",
        "map the SMMU's frame and the console; DMA to where they would be",
        1,
        memory::mmio,
    ),
    attack(
        "map-hole",
        "Addresses beyond memory and beyond the SMMU's reach",
        "map a hole, and addresses of 47 and 51 bits; DMA to where they would be",
        1,
        memory::hole,
    ),
    attack(
        "unmapped",
        "An unmap that leaves a translation behind",
        "write by DMA, unmap, write again; once more with the transfer under way",
        1,
        transfers::unmapped,
    ),
    attack(
        "stale-handle",
        "A domain used after it was freed",
        "each operation by an old handle, by one of another generation, by one that never was",
        1,
        domains::stale_handle,
    ),
    attack(
        "other-domain",
        "A mapping of another domain used, with a warm TLB",
        "write by DMA in one domain, attach the device to another, write to the same address",
        1,
        domains::own_domains,
    ),
    attack(
        "all-domains",
        "All domains taken",
        "allocate until the service refuses; free all; work on",
        1,
        domains::limit,
    ),
    attack(
        "bad-ranges",
        "Overflow, misalignment, zero sizes, addresses that wrap or leave the domain",
        "ten such ranges, to map and to unmap; a correct one after them",
        1,
        messages::bad_ranges,
    ),
    attack(
        "bad-messages",
        "Unknown operations and reserved bits",
        "each kind of them; a correct request after them",
        1,
        messages::bad_messages,
    ),
    attack(
        "random-messages",
        "Messages of random bits",
        "2,000 of them; a correct request after them",
        1,
        messages::random_messages,
    ),
    attack(
        "fault-flood",
        "The event queue flooded",
        "six pages written to nowhere, four bytes a fault; then a transfer and a report",
        1,
        flood::flood,
    ),
    attack(
        "cores-in-one-domain",
        "Races of map and unmap in one domain",
        "three cores map and unmap the same pages; then all is unmapped",
        4,
        dispute::one_domain,
    ),
    attack(
        "cores-attach-and-free",
        "Races of alloc, attach, map and free",
        "three cores with domains of their own, while the first one's device works",
        4,
        parallel::all_cores,
    ),
];

const fn attack(
    name: &'static str,
    claim: &'static str,
    expected: &'static str,
    cores: u64,
    run: fn(&mut World) -> Outcome,
) -> Scenario {
    Scenario { name, claim, expected, audience: Test, cores, run }
}

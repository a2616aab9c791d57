// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Sets up the physical interrupts at boot: spm's own, those that partitions' manifests name, and the one that is left to the
//! normal world. What becomes of one that is taken is in `interrupted`.

use spm_core::gic::{KICK_SGI, TIMER_INTID};
use spm_core::manifest::interrupt::{Affinity, DeviceInterrupt, InterruptKind, Trigger};
use spm_core::partition::Partition;

use crate::arch::distributor::secure_priority;
use crate::arch::entry::park_core;
use crate::arch::sysreg::MPIDR_EL1;
use crate::arch::{distributor, redistributor};
use crate::console::say;
use crate::cores::ROUTES;
use crate::world::World;

/// Priority of spm's own interrupts: the most urgent.
const OWN_PRIORITY: u8 = 0;

fn all(world: &World) -> impl Iterator<Item = &DeviceInterrupt> {
    world.spmc.partitions().iter().flat_map(|partition| partition.interrupts())
}

/// Sets up what this core takes for spm itself, and leaves the schedule receiver interrupt to the normal world.
pub(crate) fn own(core: u64) {
    if !redistributor::claim() {
        say!(
            "core {core} has no redistributor where the SPMC manifest has them, or there is no room to map it; it stops here"
        );
        park_core()
    }
    redistributor::release_schedule_receiver_interrupt();
    redistributor::configure(KICK_SGI, OWN_PRIORITY, Trigger::Edge);
    redistributor::configure(TIMER_INTID, OWN_PRIORITY, Trigger::Level);
}

/// Sets up what this core takes for partitions.
pub(crate) fn private(world: &World) {
    for interrupt in all(world).filter(|interrupt| interrupt.kind() == InterruptKind::Private) {
        redistributor::configure(interrupt.intid, secure_priority(interrupt.priority), interrupt.trigger);
    }
}

/// Sends what all cores share, and what goes to one of them, to another, both by their affinities.
pub(crate) fn pass_on(world: &World, from: u64, to: u64) {
    for interrupt in all(world).filter(|interrupt| interrupt.kind() == InterruptKind::Shared) {
        if distributor::goes_to(interrupt.intid, from) {
            _ = distributor::route(interrupt.intid, to);
        }
    }
}

/// Sets up what all cores share. An interrupt whose manifest names no core goes to this one; one whose core is still to come on
/// waits for it.
pub(crate) fn shared(world: &World) {
    for partition in world.spmc.partitions() {
        shared_of(partition, |_| true);
    }
}

/// As [`shared`], for one partition that starts again. What would go to a core that is off goes to this one.
pub(crate) fn shared_again(partition: &Partition) {
    shared_of(partition, |affinity| ROUTES.is_on(affinity));
}

fn shared_of(partition: &Partition, may_go_to: impl Fn(u64) -> bool) {
    let shared = |interrupt: &&DeviceInterrupt| interrupt.kind() == InterruptKind::Shared;
    for interrupt in partition.interrupts().iter().filter(shared) {
        let named = interrupt.target.map(Affinity::mpidr).filter(|&affinity| may_go_to(affinity));
        distributor::configure(interrupt, named.unwrap_or(MPIDR_EL1::read()));
    }
}

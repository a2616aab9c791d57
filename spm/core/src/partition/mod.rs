// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition that was admitted: what it may do, and the state of its vCPUs. Its interrupts are in `interrupts`.

mod core_index;
mod interrupts;

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arm_ffa::{FfaError, Version};
use heapless::Vec;
use spin::Mutex;
use uuid::Uuid;

use crate::console_log::Line;
use crate::endpoint::EndpointId;
use crate::features::Caller;
use crate::life::{Life, Phase};
use crate::mailbox::Mailbox;
use crate::manifest::actions::{AbortAction, InterruptActions, NsInterruptsAction, PowerMessages};
use crate::manifest::interrupt::Interrupts;
use crate::manifest::layout::{PartitionLayout, PlacedRegion};
use crate::manifest::messaging::MessagingMethod;
use crate::manifest::partition::ExceptionLevel;
use crate::manifest::region::{Access, Security};
use crate::manifest::services::Service;
use crate::manifest::spmc::SpmcPartition;
use crate::manifest::{AddressRange, MAX_REGIONS, MAX_SERVICES, Name, PartitionManifest};
use crate::notifications::Receiver;
use crate::stage2::Rights;
use crate::vcpu::{Vcpu, VcpuState};
use crate::version::Negotiation;

pub use core_index::{CoreIndex, MAX_CORES};

/// Returns the partition with this ID and its place; nothing if there is none, or none any more.
#[inline(never)]
#[must_use]
pub fn find(partitions: &[Partition], id: EndpointId) -> Option<(usize, &Partition)> {
    let found = partitions.iter().enumerate().find(|(_, partition)| partition.id() == id);
    found.filter(|(_, partition)| !partition.is_destroyed())
}

/// One partition.
#[derive(Debug)]
pub struct Partition {
    id: EndpointId,
    name: Name,
    essential: bool,
    boot_order: u16,
    services: Vec<Service, MAX_SERVICES>,
    messaging: MessagingMethod,
    memory: AddressRange,
    memory_regions: Vec<PlacedRegion, MAX_REGIONS>,
    contexts: usize,
    interrupts: Interrupts,
    interrupt_actions: InterruptActions,
    power_messages: PowerMessages,
    has_lifecycle: bool,
    abort_action: AbortAction,
    level: ExceptionLevel,
    entry: u64,
    manifest_version: Version,
    secondary_entry: AtomicU64,
    vcpus: [Vcpu; MAX_CORES],
    life: Life,
    /// FFA_VERSION.
    pub version: Negotiation,
    /// Its RX and TX buffers.
    pub mailbox: Mailbox,
    /// Its notifications, if its manifest says that it takes any.
    pub notifications: Option<Receiver>,
    /// What it has logged of a line.
    pub log: Mutex<Line>,
    /// Though it speaks FF-A 1.0, it asked to be told of memory that it retrieves whether it is secure.
    pub wants_security: AtomicBool,
}

impl Partition {
    /// Makes a partition out of its place in the SPMC manifest, what its own manifest says and what was admitted of it.
    #[must_use]
    pub fn new(place: &SpmcPartition, manifest: &PartitionManifest, layout: &PartitionLayout) -> Self {
        let partition = Self {
            id: EndpointId(layout.id),
            name: place.name.clone(),
            essential: place.essential,
            boot_order: manifest.boot_order,
            services: manifest.services.clone(),
            messaging: manifest
                .services
                .iter()
                .fold(MessagingMethod::NONE, |all, service| all.with(service.messaging)),
            memory: layout.memory,
            memory_regions: layout.memory_regions.clone(),
            contexts: usize::from(manifest.contexts.get()).min(MAX_CORES),
            interrupts: layout.interrupts.clone(),
            interrupt_actions: manifest.interrupt_actions,
            power_messages: manifest.power_messages,
            has_lifecycle: manifest.lifecycle_support,
            abort_action: manifest.abort_action,
            level: manifest.exception_level,
            entry: layout.entry,
            manifest_version: manifest.ffa_version,
            secondary_entry: AtomicU64::new(layout.entry),
            vcpus: Default::default(),
            life: Life::default(),
            version: Negotiation::new(manifest.ffa_version),
            mailbox: Mailbox::default(),
            notifications: manifest.receives_notifications.then(Receiver::default),
            log: Mutex::default(),
            wants_security: AtomicBool::new(false),
        };
        partition.enable_first_interrupts();
        partition
    }

    /// Returns its first instruction.
    #[must_use]
    pub const fn entry(&self) -> u64 {
        self.entry
    }

    /// Returns the version that it speaks until it negotiates another.
    pub(crate) const fn manifest_version(&self) -> Version {
        self.manifest_version
    }

    /// Returns its endpoint ID.
    #[inline(always)]
    #[must_use]
    pub const fn id(&self) -> EndpointId {
        self.id
    }

    /// Returns its name, for people.
    #[must_use]
    pub const fn name(&self) -> &Name {
        &self.name
    }

    /// Tells whether the system must not come up without it.
    #[must_use]
    pub const fn is_essential(&self) -> bool {
        self.essential
    }

    /// Returns when it starts: before those with a higher number.
    #[must_use]
    pub const fn boot_order(&self) -> u16 {
        self.boot_order
    }

    /// Returns the services that discovery lists.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.services
    }

    /// Returns the messages that any of its services takes and sends.
    #[inline(always)]
    #[must_use]
    pub const fn messaging(&self) -> MessagingMethod {
        self.messaging
    }

    /// Tells whether its service `uuid`, or any of them if it is nil, has `method`; nothing if it has no such service.
    #[must_use]
    pub fn service_allows(&self, uuid: Uuid, method: MessagingMethod) -> Option<bool> {
        if uuid.is_nil() {
            return Some(self.messaging.allows(method));
        }
        let service = self.services.iter().find(|service| service.uuid == uuid)?;
        Some(service.messaging.allows(method))
    }

    /// Returns its own memory.
    #[must_use]
    pub const fn memory(&self) -> AddressRange {
        self.memory
    }

    /// Returns the memory beyond its own that its manifest gives it.
    #[must_use]
    pub fn memory_regions(&self) -> &[PlacedRegion] {
        &self.memory_regions
    }

    /// Tells whether a buffer that it shares with spm may lie at `range`: in its own memory, or in a secure memory region of
    /// data, as the buffers of partitions do whose manifests have `rx_tx-info`.
    #[must_use]
    pub fn may_hold_buffer(&self, range: AddressRange) -> bool {
        let holds = |region: &PlacedRegion| {
            region.security == Security::Secure
                && region.access != Access::ReadExecute
                && region.range.contains(range)
        };
        self.memory.contains(range) || self.memory_regions.iter().any(holds)
    }

    /// Returns how many vCPUs it has.
    #[must_use]
    pub const fn contexts(&self) -> usize {
        self.contexts
    }

    /// Tells whether it runs at S-EL0, without an exception level of its own to take exceptions at.
    #[inline(always)]
    #[must_use]
    pub const fn is_application(&self) -> bool {
        matches!(self.level, ExceptionLevel::SEl0)
    }

    /// Returns what it may do with its own memory, as long as it has not said otherwise.
    #[must_use]
    pub const fn own_rights(&self) -> Rights {
        Rights::of_own_memory(self.level)
    }

    /// Returns the power management messages that it gets.
    #[must_use]
    pub const fn power_messages(&self) -> PowerMessages {
        self.power_messages
    }

    /// Returns what becomes of it when it aborts.
    #[must_use]
    pub const fn abort_action(&self) -> AbortAction {
        self.abort_action
    }

    /// Returns where all vCPUs but the first start: where the first did, unless the partition said otherwise.
    #[must_use]
    pub fn secondary_entry(&self) -> u64 {
        self.secondary_entry.load(Ordering::Acquire)
    }

    /// Sets where all vCPUs but the first start, for FFA_SECONDARY_EP_REGISTER.
    pub fn set_secondary_entry(&self, entry: u64) {
        self.secondary_entry.store(entry, Ordering::Release);
    }

    /// Returns the number of the vCPU that serves requests made on `core`: the only one, or the one pinned there.
    #[inline(always)]
    #[must_use]
    pub const fn vcpu_for(&self, core: CoreIndex) -> usize {
        if self.contexts == 1 { 0 } else { core.get() }
    }

    /// Returns the state of vCPU `index`.
    #[inline(always)]
    #[must_use]
    pub fn vcpu(&self, index: usize) -> Option<&Vcpu> {
        self.vcpus.get(index)
    }

    /// Returns what it is as a caller.
    #[must_use]
    pub const fn caller(&self) -> Caller {
        Caller::Partition {
            receives_notifications: self.notifications.is_some(),
            has_lifecycle: self.has_lifecycle,
            exits_managed: matches!(self.ns_interrupts(), NsInterruptsAction::ManagedExit),
            level: self.level,
        }
    }

    /// Returns where it is in its life.
    #[must_use]
    pub const fn life(&self) -> &Life {
        &self.life
    }

    /// Lets nobody take its vCPUs any more. Returns in which state each was, by its number; nothing if it has aborted before.
    pub fn abort(&self) -> Option<[VcpuState; MAX_CORES]> {
        self.life.pass(Phase::Alive, Phase::Aborted).then(|| self.vcpus.each_ref().map(Vcpu::abort))
    }

    /// Tells whether it has failed, and did not start again: none of its vCPUs is entered any more.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.life.phase() != Phase::Alive
    }

    /// Tells whether it is gone, as if there had never been one.
    #[must_use]
    pub fn is_destroyed(&self) -> bool {
        self.life.phase() == Phase::Destroyed
    }

    /// Returns the status for a caller of a partition that is stopped (FF-A 1.3 §7.2.1, R0066).
    #[cold]
    #[must_use]
    pub fn refusal(&self) -> FfaError {
        if self.is_destroyed() { FfaError::InvalidParameters } else { FfaError::Aborted }
    }
}

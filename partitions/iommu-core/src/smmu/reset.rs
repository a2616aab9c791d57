// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From reset to default deny (IHI 0070, 3.11, 6.3.9 and 6.3.14).
//!
//! An SMMU may come out of reset, or out of the hands of a boot loader, with all DMA passing, or translate by the tables of this
//! service's earlier life. So the first write has it
//! abort everything that it does not translate, and that holds for ever. Only then translation is switched off, set up
//! from nothing, and switched on with a stream table in which every stream aborts: there is no step at which DMA
//! passes.

use super::SmmuFeatures;
use super::compare::Setting;
use super::driver::{SmmuV3, forget_everything};
use super::entry::Attributes;
use super::errors::{Counters, Health};
use super::events::{self, EventQueue};
use super::gate::{self, GateError};
use super::hardware::{Hardware, PoolMapping, Registers, TimedOut};
use super::identification::{Capabilities, Needs, Unsupported};
use super::interrupts;
use super::nested::Vmids;
use super::queue::{self, CommandQueue, QueueError};
use super::rebuild::Progress;
use super::ring::{Index, Ring};
use super::spec::commands::COMMAND_WORDS;
use super::spec::events::EVENT_WORDS;
use super::spec::registers::{
    CMDQ_BASE, CMDQ_CONS, CMDQ_PROD, CR0, CR1, CR2, EVENTQ_BASE, EVENTQ_CONS, EVENTQ_IRQ_CFG0, EVENTQ_PROD,
    GBPA, GERROR, GERROR_IRQ_CFG0, GERRORN, IRQ_CFG0, IRQ_CTRL, QUEUE_BASE, Register32, STRTAB_BASE,
    STRTAB_BASE_CFG,
};
use super::spec::ste::SPLIT;
use super::stream_table::{StreamTable, sid_bits};
use crate::policy::{Device, Policy};
use crate::pool::{Pool, Reserved};
use crate::seeded::{Bug, seeded};
use crate::sync::{AtomicBool, AtomicU32, FairMutex, Rank};
use crate::table::PAGE_SIZE;
use ffa_abi::{SmmuIndex, SmmuRegisters};
use thiserror::Error;
use tock_registers::RegisterLongName;
use tock_registers::fields::FieldValue;

/// Leaves all DMA open, to show that the demo notices. Never in an image that is to protect anything.
pub const LEAVES_OPEN: bool = cfg!(feature = "broken-smmu-bypass");

/// Why an SMMU could not be locked down. Where its GBPA took the first write, all DMA behind it aborts nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BringUpError {
    /// It cannot do what the policy needs.
    #[error(transparent)]
    Unsupported(#[from] Unsupported),
    /// An update of a register did not complete in time.
    #[error("{0} did not acknowledge")]
    Timeout(&'static str),
    /// A register has another value than it was given.
    #[error("{register} reads {read:#x} after {written:#x} was written")]
    NotTaken {
        /// The specification's name.
        register: &'static str,
        /// What was written.
        written: u64,
        /// What it reads.
        read: u64,
    },
    /// The pool has no room.
    #[error("the pool is too small for {0}")]
    Pool(&'static str),
    /// The stream table is not what was written there.
    #[error("the stream table is not what was written")]
    Table,
    /// It did not do the first commands.
    #[error("the command queue does not work")]
    Commands,
}

impl From<GateError> for BringUpError {
    fn from(error: GateError) -> Self {
        match error {
            GateError::Timeout => Self::Timeout(GBPA.name),
            GateError::NotTaken(read) => Self::NotTaken {
                register: GBPA.name,
                written: u64::from(GBPA::ABORT::SET.value),
                read: u64::from(read),
            },
        }
    }
}

impl From<QueueError> for BringUpError {
    fn from(_: QueueError) -> Self {
        Self::Commands
    }
}

/// Remembers what was written, to compare it once all is set up.
struct Setup<'h, H> {
    hardware: &'h H,
}

impl<H: Hardware> Setup<'_, H> {
    fn write32<R: RegisterLongName + Copy>(
        &self,
        register: Register32<R>,
        value: FieldValue<u32, R>,
    ) -> Result<(), BringUpError> {
        self.hardware.set(register, value);
        compare(register.name, u64::from(value.value), u64::from(self.hardware.read32(register.offset)))
    }
}

pub(super) fn compare(register: &'static str, written: u64, read: u64) -> Result<(), BringUpError> {
    if written == read { Ok(()) } else { Err(BringUpError::NotTaken { register, written, read }) }
}

/// An SMMU that aborts all DMA and reads and writes nothing in memory.
///
/// Tables that one of them may still use stand in the pool, if this service has had an earlier life. So each SMMU is brought to this
/// before anything is written to the pool for any of them.
#[derive(Debug)]
pub struct Quiet<H>(H);

impl<H: Hardware> Quiet<H> {
    /// Has an SMMU abort everything, from whatever state it is in, then stop translating, reading commands, writing events and
    /// raising interrupts.
    ///
    /// # Errors
    /// Says which register did not take its value. DMA is aborted nevertheless, unless that is GBPA.
    pub fn new(hardware: H) -> Result<Self, BringUpError> {
        if !seeded(Bug::GateOpen) {
            gate::set_abort(&hardware, true)?;
        }
        gate::set_control(&hardware, 0).map_err(|TimedOut| BringUpError::Timeout(CR0.name))?;
        interrupts::set(&hardware, false).map_err(|TimedOut| BringUpError::Timeout(IRQ_CTRL.name))?;
        Ok(Self(hardware))
    }
}

impl<'p, H: Hardware> SmmuV3<'p, H> {
    /// Takes one of the policy's SMMUs to default deny.
    ///
    /// On return every stream aborts and is reported; structures stand in `pool`, which the caller maps as `mapping`
    /// says, and which no SMMU uses that is not brought up by this service.
    ///
    /// # Errors
    /// Says what is wrong with the SMMU, or with the pool. DMA stays aborted then.
    pub fn bring_up(
        Quiet(hardware): Quiet<H>,
        policy: &Policy,
        index: SmmuIndex,
        pool: &Pool<'p>,
        mapping: PoolMapping,
    ) -> Result<Self, BringUpError> {
        let devices = policy.devices.iter().filter(|device| u16::from(device.smmu) == index.0);
        let needs = Needs { sid_bits: sid_bits(devices.clone()), top: highest_address(policy), mapping };
        let capabilities = Capabilities::identify(&hardware, &needs)?;
        let smmu = Self::build(hardware, capabilities, devices, pool, mapping)?;
        {
            let (mut commands, mut events) = (smmu.commands.lock(), smmu.events.lock());
            smmu.program(&commands, &events)?;
            smmu.switch_on(&mut commands, &mut events)?;
        }
        Ok(smmu)
    }

    /// Places queues and tables in the pool. No register is written.
    fn build<'d>(
        hardware: H,
        capabilities: Capabilities,
        devices: impl Iterator<Item = &'d Device> + Clone,
        pool: &Pool<'p>,
        mapping: PoolMapping,
    ) -> Result<Self, BringUpError> {
        let Capabilities { output_encoding, stalls, .. } = capabilities;
        let SmmuFeatures { output_bits, format, .. } = capabilities.features;
        let attributes = Attributes { mapping, output_encoding, output_bits, format, stalls };
        let streams =
            StreamTable::build(pool, devices, attributes).ok_or(BringUpError::Pool("the stream table"))?;
        let ring = Ring::new(queue::WANTED_LOG2.min(capabilities.commands_log2));
        let memory = reserve(pool, ring, COMMAND_WORDS).ok_or(BringUpError::Pool("the command queue"))?;
        let commands = CommandQueue::new(memory, ring, hardware.read32(GERROR.offset));
        let ring = Ring::new(events::WANTED_LOG2.min(capabilities.events_log2));
        let memory = reserve(pool, ring, EVENT_WORDS).ok_or(BringUpError::Pool("the event queue"))?;
        let events = EventQueue::new(memory, ring);
        Ok(Self {
            hardware,
            capabilities,
            commands: FairMutex::new(Rank::Commands, commands),
            events: FairMutex::new(Rank::Events, events),
            streams,
            health: Health::default(),
            counters: Counters::default(),
            rebuilding: FairMutex::new(Rank::Rebuilding, Progress::default()),
            interrupts: AtomicBool::new(false),
            announced: AtomicBool::new(false),
            differed: AtomicU32::new(0),
            nested: Vmids::default(),
        })
    }

    /// Writes all registers that must not change later, while translation and queues are off.
    pub(super) fn program(
        &self,
        commands: &CommandQueue<'_>,
        events: &EventQueue<'_>,
    ) -> Result<(), BringUpError> {
        let hardware = &self.hardware;
        for setting in self.settings(commands, events) {
            setting.write(hardware);
            setting.verify(hardware)?;
        }
        let setup = Setup { hardware };
        setup.write32(CMDQ_PROD, CMDQ_PROD::WR.val(Index::START.raw()))?;
        // What stands in ERR while there is no error is unknown: the index is what counts.
        hardware.set(CMDQ_CONS, CMDQ_CONS::RD.val(Index::START.raw()));
        compare(CMDQ_CONS.name, 0, u64::from(hardware.get(CMDQ_CONS).read(CMDQ_CONS::RD)))?;
        setup.write32(EVENTQ_PROD, EVENTQ_PROD_START)?;
        setup.write32(EVENTQ_CONS, EVENTQ_PROD_START)?;
        hardware.write32(GERRORN.offset, commands.acknowledged());
        hardware.publish();
        Ok(())
    }

    /// Switches queues on, has the SMMU forget what it knew, verifies all that was written, and switches translation on.
    pub(super) fn switch_on(
        &self,
        commands: &mut CommandQueue<'_>,
        events: &mut EventQueue<'_>,
    ) -> Result<(), BringUpError> {
        let hardware = &self.hardware;
        let control = |value: u32| {
            gate::set_control(hardware, value).map_err(|TimedOut| BringUpError::Timeout(CR0.name))
        };
        let all = self.control();
        let without = |fields: FieldValue<u32, CR0::Register>| all & !fields.value;
        control(without(CR0::EVENTQEN::SET + CR0::SMMUEN::SET))?;
        if !seeded(Bug::CachesKeptAtStart) {
            forget_everything(commands, hardware, self.capabilities.hyp)?;
        }
        control(without(CR0::SMMUEN::SET))?;
        if LEAVES_OPEN {
            return Ok(gate::set_abort(hardware, false)?);
        }
        self.settings(commands, events).iter().try_for_each(|setting| setting.verify(hardware))?;
        control(all)?;
        compare(CR0.name, u64::from(all), u64::from(hardware.read32(CR0.offset)))?;
        if seeded(Bug::GateOpen) {
            return Ok(());
        }
        let abort = u64::from(GBPA::ABORT::SET.value);
        compare(GBPA.name, abort, u64::from(hardware.read32(GBPA.offset)) & abort)
    }

    /// Returns the value of CR0 while the SMMU works.
    pub(super) fn control(&self) -> u32 {
        // All translated traffic is checked against its stream's entry, and none of those allows it.
        let checked = if self.capabilities.ats && !seeded(Bug::AtsUnchecked) {
            CR0::ATSCHK::SET
        } else {
            CR0::ATSCHK::CLEAR
        };
        (CR0::CMDQEN::SET + CR0::EVENTQEN::SET + CR0::SMMUEN::SET + checked).value
    }

    /// Returns the registers that are written once, and what with.
    pub(super) fn settings(&self, commands: &CommandQueue<'_>, events: &EventQueue<'_>) -> [Setting; 8] {
        let (root, log2) = self.streams.root();
        let shape = STRTAB_BASE_CFG::FMT::TwoLevel
            + STRTAB_BASE_CFG::SPLIT.val(SPLIT)
            + STRTAB_BASE_CFG::LOG2SIZE.val(u32::from(log2));
        // Broadcast invalidation by the normal world must have no effect here; the bit exists only where there is any.
        let private = if self.capabilities.broadcast { CR2::PTM::SET } else { CR2::PTM::CLEAR };
        let table = STRTAB_BASE::RA::SET + STRTAB_BASE::ADDR.val(root.0 >> 6);
        let attributes = memory_attributes(self.streams.mapping());
        let nowhere = IRQ_CFG0::ADDR.val(0);
        [
            Setting::narrow(SmmuRegisters::CR1, CR1, attributes),
            Setting::narrow(SmmuRegisters::CR2, CR2, CR2::RECINVSID::SET + private),
            Setting::wide(SmmuRegisters::STRTAB_BASE, STRTAB_BASE, table),
            Setting::narrow(SmmuRegisters::STRTAB_BASE_CFG, STRTAB_BASE_CFG, shape),
            Setting::wide(SmmuRegisters::CMDQ_BASE, CMDQ_BASE, queue_base(commands.place())),
            Setting::wide(SmmuRegisters::EVENTQ_BASE, EVENTQ_BASE, queue_base(events.place())),
            // A boot loader may have had messages written, which is memory written.
            Setting::wide(SmmuRegisters::GERROR_IRQ_CFG0, GERROR_IRQ_CFG0, nowhere),
            Setting::wide(SmmuRegisters::EVENTQ_IRQ_CFG0, EVENTQ_IRQ_CFG0, nowhere),
        ]
    }
}

/// The start of an empty event queue without overflow.
const EVENTQ_PROD_START: FieldValue<u32, super::spec::registers::EVENTQ_INDEX::Register> =
    super::spec::registers::EVENTQ_INDEX::INDEX.val(Index::START.raw());

/// Returns the highest address that the SMMU may have to put out or to fetch from.
fn highest_address(policy: &Policy) -> u64 {
    let ends = policy.managed.iter().chain([&policy.pool]).filter_map(crate::policy::Range::end);
    ends.max().unwrap_or(1) - 1
}

/// Takes memory for a queue, aligned to its size as the SMMU will align it (6.3.26, 6.3.29).
fn reserve<'p>(pool: &Pool<'p>, ring: Ring, entry_words: usize) -> Option<Reserved<'p>> {
    let words = usize::try_from(ring.entries()).ok()?.checked_mul(entry_words)?;
    let bytes = u64::try_from(words).ok()?.checked_mul(8)?;
    let pages = usize::try_from(bytes.div_ceil(PAGE_SIZE)).ok()?.next_power_of_two();
    pool.reserve(pages, pages)
}

fn queue_base((memory, ring): (&Reserved<'_>, Ring)) -> FieldValue<u64, QUEUE_BASE::Register> {
    QUEUE_BASE::ALLOCATE::SET
        + QUEUE_BASE::ADDR.val(memory.base.0 >> 5)
        + QUEUE_BASE::LOG2SIZE.val(u64::from(ring.log2()))
}

/// How the SMMU accesses queues and tables: as this side maps them.
fn memory_attributes(mapping: PoolMapping) -> FieldValue<u32, CR1::Register> {
    let (cache, share) = match mapping {
        PoolMapping::WriteBack => (1, 3),
        PoolMapping::NonCacheable => (0, 2),
    };
    CR1::TABLE_IC.val(cache)
        + CR1::TABLE_OC.val(cache)
        + CR1::TABLE_SH.val(share)
        + CR1::QUEUE_IC.val(cache)
        + CR1::QUEUE_OC.val(cache)
        + CR1::QUEUE_SH.val(share)
}

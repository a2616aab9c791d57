// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers of the non-secure programming interface (IHI 0070, 6.2 and 6.3): offsets and fields.

use core::marker::PhantomData;
use tock_registers::{RegisterLongName, register_bitfields};

/// A 32-bit register: where it is, what its bits mean, and what people call it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register32<R: RegisterLongName> {
    /// Offset from page 0 in bytes (6.2).
    pub(crate) offset: usize,
    /// The specification's name, for reports.
    pub(crate) name: &'static str,
    fields: PhantomData<R>,
}

/// A 64-bit register.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Register64<R: RegisterLongName> {
    /// Offset from page 0 in bytes (6.2).
    pub(crate) offset: usize,
    /// The specification's name, for reports.
    pub(crate) name: &'static str,
    fields: PhantomData<R>,
}

const fn r32<R: RegisterLongName>(offset: usize, name: &'static str) -> Register32<R> {
    Register32 { offset, name, fields: PhantomData }
}

const fn r64<R: RegisterLongName>(offset: usize, name: &'static str) -> Register64<R> {
    Register64 { offset, name, fields: PhantomData }
}

/// Features, part 0 (6.3.1).
pub(crate) const IDR0: Register32<IDR0::Register> = r32(0x0, "IDR0");
/// Features, part 1 (6.3.2).
pub(crate) const IDR1: Register32<IDR1::Register> = r32(0x4, "IDR1");
/// Features, part 3 (6.3.4).
pub(crate) const IDR3: Register32<IDR3::Register> = r32(0xc, "IDR3");
/// Features, part 5 (6.3.6).
pub(crate) const IDR5: Register32<IDR5::Register> = r32(0x14, "IDR5");
/// Control (6.3.9).
pub(crate) const CR0: Register32<CR0::Register> = r32(0x20, "CR0");
/// What of CR0 has taken effect (6.3.10).
pub(crate) const CR0ACK: Register32<CR0::Register> = r32(0x24, "CR0ACK");
/// Memory attributes of table and queue accesses (6.3.11).
pub(crate) const CR1: Register32<CR1::Register> = r32(0x28, "CR1");
/// Broadcast maintenance and event recording (6.3.12).
pub(crate) const CR2: Register32<CR2::Register> = r32(0x2c, "CR2");
/// What happens to transactions while SMMUEN is 0 (6.3.14).
pub(crate) const GBPA: Register32<GBPA::Register> = r32(0x44, "GBPA");
/// Interrupt enables (6.3.16).
pub(crate) const IRQ_CTRL: Register32<IRQ_CTRL::Register> = r32(0x50, "IRQ_CTRL");
/// Interrupt enables that have taken effect (6.3.17).
pub(crate) const IRQ_CTRLACK: Register32<IRQ_CTRL::Register> = r32(0x54, "IRQ_CTRLACK");
/// Global errors: a bit that differs from GERRORN's is active (6.3.19).
pub(crate) const GERROR: Register32<GERROR::Register> = r32(0x60, "GERROR");
/// Global errors that software has seen (6.3.20).
pub(crate) const GERRORN: Register32<GERROR::Register> = r32(0x64, "GERRORN");
/// Where the message for a global error is written; nowhere, where the interrupt is wired (6.3.21).
pub(crate) const GERROR_IRQ_CFG0: Register64<IRQ_CFG0::Register> = r64(0x68, "GERROR_IRQ_CFG0");
/// Stream table base (6.3.24).
pub(crate) const STRTAB_BASE: Register64<STRTAB_BASE::Register> = r64(0x80, "STRTAB_BASE");
/// Stream table size and format (6.3.25).
pub(crate) const STRTAB_BASE_CFG: Register32<STRTAB_BASE_CFG::Register> = r32(0x88, "STRTAB_BASE_CFG");
/// Command queue base and size (6.3.26).
pub(crate) const CMDQ_BASE: Register64<QUEUE_BASE::Register> = r64(0x90, "CMDQ_BASE");
/// Command queue producer index, software's (6.3.27).
pub(crate) const CMDQ_PROD: Register32<CMDQ_PROD::Register> = r32(0x98, "CMDQ_PROD");
/// Command queue consumer index, the SMMU's, with the reason of an error (6.3.28).
pub(crate) const CMDQ_CONS: Register32<CMDQ_CONS::Register> = r32(0x9c, "CMDQ_CONS");
/// Event queue base and size (6.3.29).
pub(crate) const EVENTQ_BASE: Register64<QUEUE_BASE::Register> = r64(0xa0, "EVENTQ_BASE");
/// Where the message for an event is written; nowhere, where the interrupt is wired (6.3.32).
pub(crate) const EVENTQ_IRQ_CFG0: Register64<IRQ_CFG0::Register> = r64(0xb0, "EVENTQ_IRQ_CFG0");
/// Event queue producer index, the SMMU's; on page 1 (6.3.30).
pub(crate) const EVENTQ_PROD: Register32<EVENTQ_INDEX::Register> = r32(0x1_00a8, "EVENTQ_PROD");
/// Event queue consumer index, software's; on page 1 (6.3.31).
pub(crate) const EVENTQ_CONS: Register32<EVENTQ_INDEX::Register> = r32(0x1_00ac, "EVENTQ_CONS");

register_bitfields! {
    u32,
    /// Features, part 0 (6.3.1).
    pub(crate) IDR0 [
        /// Stage 2 is there.
        S2P OFFSET(0) NUMBITS(1) [],
        /// Stage 1 is there.
        S1P OFFSET(1) NUMBITS(1) [],
        /// `VMSAv8-64` tables are there (bit 1 of TTF).
        TTF_AARCH64 OFFSET(3) NUMBITS(1) [],
        /// Tables and queues are read coherently.
        COHACC OFFSET(4) NUMBITS(1) [],
        /// Broadcast TLB maintenance is received.
        BTM OFFSET(5) NUMBITS(1) [],
        /// TLB entries can be tagged as EL2's.
        HYP OFFSET(9) NUMBITS(1) [],
        /// `PCIe` ATS is there.
        ATS OFFSET(10) NUMBITS(1) [],
        /// VMIDs have 16 bits, else 8.
        VMID16 OFFSET(18) NUMBITS(1) [],
        /// Endianness of tables: mixed, little or big.
        TTENDIAN OFFSET(21) NUMBITS(2) [
            /// Each table chooses.
            Mixed = 0,
            /// Little-endian only.
            Little = 2,
            /// Big-endian only.
            Big = 3,
        ],
        /// Whether faults can or must stall.
        STALL_MODEL OFFSET(24) NUMBITS(2) [
            /// Configurations say whether a fault stalls.
            Chosen = 0,
            /// Every fault that can stall does.
            Forced = 2,
        ],
        /// Stream tables of two levels are there.
        ST_LEVEL OFFSET(27) NUMBITS(2) [
            /// Linear tables only.
            Linear = 0,
            /// Two levels too.
            TwoLevel = 1,
        ],
    ],
    /// Features, part 1 (6.3.2).
    pub(crate) IDR1 [
        /// Bits of a stream ID.
        SIDSIZE OFFSET(0) NUMBITS(6) [],
        /// log2 of the largest event queue.
        EVENTQS OFFSET(16) NUMBITS(5) [],
        /// log2 of the largest command queue.
        CMDQS OFFSET(21) NUMBITS(5) [],
        /// Queues cannot be placed by software.
        QUEUES_PRESET OFFSET(29) NUMBITS(1) [],
        /// Tables cannot be placed by software.
        TABLES_PRESET OFFSET(30) NUMBITS(1) [],
    ],
    /// Features, part 3 (6.3.4).
    pub(crate) IDR3 [
        /// Invalidation by range.
        RIL OFFSET(10) NUMBITS(1) [],
        /// How block sizes may change under live tables.
        BBML OFFSET(11) NUMBITS(2) [],
    ],
    /// Features, part 5 (6.3.6).
    pub(crate) IDR5 [
        /// Physical address size, encoded.
        OAS OFFSET(0) NUMBITS(3) [],
        /// 4 KiB granule.
        GRAN4K OFFSET(4) NUMBITS(1) [],
    ],
    /// Control and its acknowledgement (6.3.9, 6.3.10).
    pub(crate) CR0 [
        /// Streams are translated; 0: they meet GBPA.
        SMMUEN OFFSET(0) NUMBITS(1) [],
        /// Page requests are written; never here.
        PRIQEN OFFSET(1) NUMBITS(1) [],
        /// Events are written.
        EVENTQEN OFFSET(2) NUMBITS(1) [],
        /// Commands are read.
        CMDQEN OFFSET(3) NUMBITS(1) [],
        /// Translated ATS traffic is checked.
        ATSCHK OFFSET(4) NUMBITS(1) [],
    ],
    /// Memory attributes (6.3.11).
    pub(crate) CR1 [
        /// Queue inner cacheability; 1 is write-back.
        QUEUE_IC OFFSET(0) NUMBITS(2) [],
        /// Queue outer cacheability.
        QUEUE_OC OFFSET(2) NUMBITS(2) [],
        /// Queue shareability; 3 is inner shareable.
        QUEUE_SH OFFSET(4) NUMBITS(2) [],
        /// Table inner cacheability.
        TABLE_IC OFFSET(6) NUMBITS(2) [],
        /// Table outer cacheability.
        TABLE_OC OFFSET(8) NUMBITS(2) [],
        /// Table shareability.
        TABLE_SH OFFSET(10) NUMBITS(2) [],
    ],
    /// Maintenance and recording (6.3.12).
    pub(crate) CR2 [
        /// EL2 translations carry an ASID.
        E2H OFFSET(0) NUMBITS(1) [],
        /// Streams outside of the table are recorded.
        RECINVSID OFFSET(1) NUMBITS(1) [],
        /// Broadcast invalidation by the normal world has no effect.
        PTM OFFSET(2) NUMBITS(1) [],
    ],
    /// Global bypass attributes (6.3.14).
    pub(crate) GBPA [
        /// All transactions are aborted while SMMUEN is 0.
        ABORT OFFSET(20) NUMBITS(1) [],
        /// Set with a write, clears when it has taken effect.
        UPDATE OFFSET(31) NUMBITS(1) [],
    ],
    /// Interrupt enables (6.3.16).
    pub(crate) IRQ_CTRL [
        /// Global errors.
        GERROR_IRQEN OFFSET(0) NUMBITS(1) [],
        /// Page requests.
        PRIQ_IRQEN OFFSET(1) NUMBITS(1) [],
        /// Events.
        EVENTQ_IRQEN OFFSET(2) NUMBITS(1) [],
    ],
    /// Global errors (6.3.19).
    pub(crate) GERROR [
        /// A command could not be consumed; the queue stands still.
        CMDQ_ERR OFFSET(0) NUMBITS(1) [],
        /// An access to the event queue was aborted.
        EVENTQ_ABT_ERR OFFSET(2) NUMBITS(1) [],
        /// An access to the page request queue was aborted.
        PRIQ_ABT_ERR OFFSET(3) NUMBITS(1) [],
        /// The message of a CMD_SYNC was aborted.
        MSI_CMDQ_ABT_ERR OFFSET(4) NUMBITS(1) [],
        /// The message of the event queue was aborted.
        MSI_EVENTQ_ABT_ERR OFFSET(5) NUMBITS(1) [],
        /// The message of the page request queue was aborted.
        MSI_PRIQ_ABT_ERR OFFSET(6) NUMBITS(1) [],
        /// The message of a global error was aborted.
        MSI_GERROR_ABT_ERR OFFSET(7) NUMBITS(1) [],
        /// Service failure mode: the SMMU has stopped.
        SFM_ERR OFFSET(8) NUMBITS(1) [],
        /// An error of a command queue control page.
        CMDQP_ERR OFFSET(9) NUMBITS(1) [],
        /// A lookup in the device permission table failed.
        DPT_ERR OFFSET(10) NUMBITS(1) [],
    ],
    /// Stream table size and format (6.3.25).
    pub(crate) STRTAB_BASE_CFG [
        /// Bits of the stream IDs that the table covers.
        LOG2SIZE OFFSET(0) NUMBITS(6) [],
        /// Bits of a stream ID that index the second level.
        SPLIT OFFSET(6) NUMBITS(5) [],
        /// Linear or two levels.
        FMT OFFSET(16) NUMBITS(2) [
            /// Two levels.
            TwoLevel = 1,
        ],
    ],
    /// Producer index of the command queue (6.3.27).
    pub(crate) CMDQ_PROD [
        /// Index, with the wrap bit above it.
        WR OFFSET(0) NUMBITS(20) [],
    ],
    /// Consumer index of the command queue (6.3.28).
    pub(crate) CMDQ_CONS [
        /// Index, with the wrap bit above it.
        RD OFFSET(0) NUMBITS(20) [],
        /// Why consumption stopped (7.1).
        ERR OFFSET(24) NUMBITS(7) [
            /// An illegal command.
            Illegal = 1,
            /// The command could not be fetched.
            Abort = 2,
            /// An ATS invalidation was not answered.
            AtcSync = 3,
        ],
    ],
    /// Producer and consumer index of the event queue (6.3.30, 6.3.31).
    pub(crate) EVENTQ_INDEX [
        /// Index, with the wrap bit above it.
        INDEX OFFSET(0) NUMBITS(20) [],
        /// Overflow in the producer's register, its acknowledgement in the consumer's (7.4).
        OVERFLOW OFFSET(31) NUMBITS(1) [],
    ],
}

register_bitfields! {
    u64,
    /// Stream table base (6.3.24).
    pub(crate) STRTAB_BASE [
        /// Bits 55:6 of the address.
        ADDR OFFSET(6) NUMBITS(50) [],
        /// Read-allocate hint.
        RA OFFSET(62) NUMBITS(1) [],
    ],
    /// Where the message of an interrupt is written (6.3.21, 6.3.32).
    pub(crate) IRQ_CFG0 [
        /// Bits 55:2 of the address; zero where there is no message.
        ADDR OFFSET(2) NUMBITS(54) [],
    ],
    /// Base of the command queue (6.3.26) or the event queue (6.3.29).
    pub(crate) QUEUE_BASE [
        /// log2 of the number of entries.
        LOG2SIZE OFFSET(0) NUMBITS(5) [],
        /// Bits 55:5 of the address.
        ADDR OFFSET(5) NUMBITS(51) [],
        /// Allocation hint: read for commands, write for events.
        ALLOCATE OFFSET(62) NUMBITS(1) [],
    ],
}

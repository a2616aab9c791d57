// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Registers of the non-secure programming interface (IHI 0070, 6.2 and 6.3): where they are and what their bits mean.

/// SMMU_IDR0 (6.3.1).
pub(crate) const IDR0: usize = 0x00;
/// SMMU_IDR1 (6.3.2).
pub(crate) const IDR1: usize = 0x04;
/// SMMU_IDR3 (6.3.4).
pub(crate) const IDR3: usize = 0x0c;
/// SMMU_IDR5 (6.3.6).
pub(crate) const IDR5: usize = 0x14;
/// SMMU_CR0 (6.3.9).
pub(crate) const CR0: usize = 0x20;
/// SMMU_CR0ACK (6.3.10).
pub(crate) const CR0ACK: usize = 0x24;
/// SMMU_CR1 (6.3.11).
pub(crate) const CR1: usize = 0x28;
/// SMMU_CR2 (6.3.12).
pub(crate) const CR2: usize = 0x2c;
/// SMMU_GBPA (6.3.14).
pub(crate) const GBPA: usize = 0x44;
/// SMMU_IRQ_CTRL (6.3.16).
pub(crate) const IRQ_CTRL: usize = 0x50;
/// SMMU_IRQ_CTRLACK (6.3.17).
pub(crate) const IRQ_CTRLACK: usize = 0x54;
/// SMMU_GERROR (6.3.19).
pub(crate) const GERROR: usize = 0x60;
/// SMMU_GERRORN (6.3.20).
pub(crate) const GERRORN: usize = 0x64;
/// SMMU_GERROR_IRQ_CFG0 (6.3.21): where the message of a global error goes.
pub(crate) const GERROR_IRQ_CFG0: usize = 0x68;
/// SMMU_EVENTQ_IRQ_CFG0 (6.3.32): where the message of the event queue goes.
pub(crate) const EVENTQ_IRQ_CFG0: usize = 0xb0;
/// SMMU_STRTAB_BASE (6.3.24).
pub(crate) const STRTAB_BASE: usize = 0x80;
/// SMMU_STRTAB_BASE_CFG (6.3.25).
pub(crate) const STRTAB_BASE_CFG: usize = 0x88;
/// SMMU_CMDQ_BASE (6.3.26).
pub(crate) const CMDQ_BASE: usize = 0x90;
/// SMMU_CMDQ_PROD (6.3.27).
pub(crate) const CMDQ_PROD: usize = 0x98;
/// SMMU_CMDQ_CONS (6.3.28).
pub(crate) const CMDQ_CONS: usize = 0x9c;
/// SMMU_EVENTQ_BASE (6.3.29).
pub(crate) const EVENTQ_BASE: usize = 0xa0;
/// SMMU_EVENTQ_PROD, on page 1 (6.3.30).
pub(crate) const EVENTQ_PROD: usize = 0x1_00a8;
/// SMMU_EVENTQ_CONS, on page 1 (6.3.31).
pub(crate) const EVENTQ_CONS: usize = 0x1_00ac;

/// CR0.SMMUEN, bit 0.
pub(crate) const SMMUEN: u32 = 1 << 0;
/// CR0.EVENTQEN, bit 2.
pub(crate) const EVENTQEN: u32 = 1 << 2;
/// CR0.CMDQEN, bit 3.
pub(crate) const CMDQEN: u32 = 1 << 3;
/// CR0.ATSCHK, bit 4; only where IDR0.ATS says so.
pub(crate) const ATSCHK: u32 = 1 << 4;
/// CR2.RECINVSID, bit 1.
pub(crate) const RECINVSID: u32 = 1 << 1;
/// GBPA.ABORT, bit 20.
pub(crate) const ABORT: u32 = 1 << 20;
/// GBPA.Update, bit 31.
pub(crate) const UPDATE: u32 = 1 << 31;
/// IRQ_CTRL.GERROR_IRQEN, bit 0.
pub(crate) const GERROR_IRQEN: u32 = 1 << 0;
/// IRQ_CTRL.EVENTQ_IRQEN, bit 2.
pub(crate) const EVENTQ_IRQEN: u32 = 1 << 2;
/// GERROR.CMDQ_ERR, bit 0.
pub(crate) const CMDQ_ERR: u32 = 1 << 0;
/// GERROR.EVENTQ_ABT_ERR, bit 2.
pub(crate) const EVENTQ_ABT_ERR: u32 = 1 << 2;
/// GERROR.SFM_ERR, bit 8.
pub(crate) const SFM_ERR: u32 = 1 << 8;
/// CMDQ_CONS.ERR, bits 30:24: shift of the reason (7.1).
pub(crate) const CMDQ_CONS_ERR_SHIFT: u32 = 24;
/// CERROR_ILL (7.1).
pub(crate) const CERROR_ILL: u32 = 1;
/// CERROR_ABT (7.1).
pub(crate) const CERROR_ABT: u32 = 2;
/// The overflow flag of EVENTQ_PROD, and its acknowledgement in EVENTQ_CONS, bit 31 (7.4).
pub(crate) const OVERFLOW: u32 = 1 << 31;

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! GICv3 (IHI 0069): INTIDs (2.2), and the registers of the distributor as the secure world sees them (12.9).

/// Bytes of the distributor's registers: one frame (12.8).
pub const DISTRIBUTOR_BYTES: u64 = 0x1_0000;

/// GICD_CTLR: control (12.9.4).
pub const CTLR: usize = 0x0000;
/// GICD_CTLR.EnableGrp1S: secure interrupts of group 1 are forwarded.
pub const CTLR_ENABLE_GROUP_1_SECURE: u32 = 1 << 2;
/// GICD_CTLR.ARE_S: the secure world's interrupts go by affinity.
pub const CTLR_AFFINITY_ROUTING: u32 = 1 << 4;
/// GICD_CTLR.DS: there is one security state only, and no secure interrupt.
pub const CTLR_SECURITY_DISABLED: u32 = 1 << 6;
/// GICD_CTLR.RWP: what was switched off may still come.
pub const CTLR_WRITE_PENDING: u32 = 1 << 31;

/// GICD_TYPER: how much of it there is. Bits 4 to 0: how many times 32 interrupts there are, less one.
pub const TYPER: usize = 0x0004;
/// GICD_TYPER.ITLinesNumber.
pub const TYPER_LINES: u32 = 0x1f;

/// GICD_IGROUPR: clear for a secure interrupt. A bit each, as in all registers up to GICD_ICACTIVER, and in GICD_IGRPMODR.
pub const IGROUPR: usize = 0x0080;
/// GICD_ISENABLER: writing one switches on.
pub const ISENABLER: usize = 0x0100;
/// GICD_ICENABLER: writing one switches off.
pub const ICENABLER: usize = 0x0180;
/// GICD_ICPENDR: writing one forgets what is pending.
pub const ICPENDR: usize = 0x0280;
/// GICD_ICACTIVER: writing one ends what was taken.
pub const ICACTIVER: usize = 0x0380;
/// GICD_IPRIORITYR: eight bits each.
pub const IPRIORITYR: usize = 0x0400;
/// GICD_ICFGR: two bits each.
pub const ICFGR: usize = 0x0c00;
/// GICD_ICFGR: edge-triggered.
pub const ICFGR_EDGE: u32 = 0b10;
/// GICD_IGRPMODR: of a secure interrupt, set for group 1 and clear for group 0.
pub const IGRPMODR: usize = 0x0d00;
/// GICD_IROUTER: 64 bits each; the first that there is is interrupt 32's.
pub const IROUTER: usize = 0x6000;
/// Aff3, and Aff2 to Aff0, which stand in GICD_IROUTER where they stand in MPIDR_EL1. GICD_IROUTER.Interrupt_Routing_Mode is clear:
/// one core, not any.
pub const AFFINITY: u64 = 0xff_00ff_ffff;

/// Below are the interrupts of one core: SGIs and PPIs (2.2).
pub const FIRST_SHARED: u32 = 32;
/// From here on are INTIDs that tell of no interrupt, or of one that is none of group 1, and LPIs (2.2.1).
pub const FIRST_SPECIAL: u32 = 1020;

/// A shared peripheral interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spi(u32);

impl Spi {
    /// Returns the interrupt with this INTID, if it is a shared one.
    #[must_use]
    pub const fn new(intid: u32) -> Option<Self> {
        if intid >= FIRST_SHARED && intid < FIRST_SPECIAL { Some(Self(intid)) } else { None }
    }

    /// Returns the INTID.
    #[must_use]
    pub const fn intid(self) -> u32 {
        self.0
    }

    /// Returns the offset of its register among those that begin at `first`, and the lowest of its bits there; `width` bits, a
    /// power of two below 32, are each interrupt's.
    #[must_use]
    pub const fn place(self, first: usize, width: u32) -> (usize, u32) {
        // At most 1019 * 8 / 32 registers.
        let bit = self.0.wrapping_mul(width);
        (first.wrapping_add((bit / 32 * 4) as usize), bit % 32)
    }

    /// Returns the offset of its GICD_IROUTER.
    #[must_use]
    pub const fn router(self) -> usize {
        IROUTER.wrapping_add((self.0 as usize).wrapping_mul(8))
    }
}

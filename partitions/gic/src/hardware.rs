// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What is needed of the machine.

/// The registers of the distributor, by offsets within [`crate::spec::DISTRIBUTOR_BYTES`], and of the core that calls. Accesses to
/// the distributor happen in the order in which they are made.
pub trait Hardware {
    /// Reads a register of the distributor.
    fn read32(&self, offset: usize) -> u32;

    /// Writes a register of the distributor.
    fn write32(&self, offset: usize, value: u32);

    /// Writes a register of 64 bits of the distributor.
    fn write64(&self, offset: usize, value: u64);

    /// Tells whether the core has its interface to the GIC in system registers, and that is on: the others below are there.
    fn has_interface(&self) -> bool;

    /// Returns MPIDR_EL1.
    fn mpidr(&self) -> u64;

    /// Lets the core be interrupted by group 1: ICC_IGRPEN1_EL1, the secure one.
    fn enable_group_1(&self);

    /// Acknowledges the most urgent interrupt of group 1, and returns its INTID: ICC_IAR1_EL1.
    fn acknowledge(&self) -> u32;

    /// Ends an acknowledged interrupt's priority, the last acknowledged first: ICC_EOIR1_EL1.
    fn end(&self, intid: u32);

    /// Tells whether that leaves the interrupt active: ICC_CTLR_EL1.EOImode.
    fn ends_priority_only(&self) -> bool;

    /// Makes an interrupt inactive: ICC_DIR_EL1.
    fn deactivate(&self, intid: u32);
}

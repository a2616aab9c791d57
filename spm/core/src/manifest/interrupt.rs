// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Interrupts of devices.

/// Most interrupts of a partition.
pub const MAX_INTERRUPTS: usize = 16;

/// What makes an interrupt pending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trigger {
    /// A rising edge.
    Edge,
    /// A level.
    Level,
}

/// One interrupt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DeviceInterrupt {
    /// Its INTID.
    pub intid: u32,
    /// Its priority.
    pub priority: u8,
    /// What makes it pending.
    pub trigger: Trigger,
    /// The affinity of the core that gets it first.
    pub target: Option<u64>,
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Bit layouts of the SMMUv3 architecture, as Arm IHI 0070 (issue F and later) writes them down.
//!
//! | module | chapter of IHI 0070 |
//! |---|---|
//! | [`registers`] | 6, memory map and registers |
//! | [`ste`] | 5, configuration structures: stream tables |
//! | [`cd`] | 5.4, context descriptors |
//! | [`commands`] | 4, commands |
//! | [`events`] | 7, event records |
//!
//! Only what this driver uses is here, and nothing here decides or touches hardware.

pub(crate) mod cd;
pub(crate) mod commands;
pub(crate) mod events;
pub(crate) mod registers;
pub(crate) mod ste;

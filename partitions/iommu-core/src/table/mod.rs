// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Stage-2 page tables for DMA.

mod geometry;

pub use geometry::{ENTRIES, Geometry, LeafSize, Level, PAGE_BITS, PAGE_SIZE};

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Several cores ask at once, in many orders ([`crate::interleavings`]), with an SMMU that keeps what it has seen until it is told
//! to forget it. After each step, and by a core that does nothing else, it is looked at what devices can reach.
//!
//! | file | what lives there |
//! |---|---|
//! | `world` | a small machine for each order, and what holds on it at any time |
//! | `mappings` | map, unmap and tables |
//! | `pages` | pages that move meanwhile |
//! | `devices` | devices that change their domain, and domains that end |
//! | `rings` | memory that is shared with the service |
//! | `health` | SMMUs that fail and are rebuilt, faults and interrupts |
//! | `bugs` | that bugs of this kind are found |

mod bugs;
mod devices;
mod health;
mod mappings;
mod pages;
mod rings;
mod world;

use super::*;
use world::{AT, OTHER, World};

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Domains: address spaces that clients fill and devices are put into.
//!
//! | file | what lives there |
//! |---|---|
//! | `slot` | the table of domains, handles, allocation |
//! | `free` | giving a domain back |
//! | `paging` | map, unmap and lookup in one domain |
//! | `lists` | the same for lists, in a message's bound |
//! | `identity` | the domain in which addresses lead to themselves |
//! | `nested` | a stage 1 of the kernel's in front of a domain |
//! | `device` | what each device's streams are set to |
//! | `quiet` | waiting until everybody has left once |
//! | `lock` | bounded waiting, and the order of locks |

mod device;
mod free;
mod identity;
mod lists;
pub(crate) mod lock;
mod nested;
mod paging;
mod quiet;
mod slot;

pub use device::{Device, States, Target};
pub(crate) use identity::Follow;
pub use identity::{Identity, IdentityError};
pub use lists::{Budget, CHUNK, Listed, Source};
pub use paging::{Done, ENTRIES_PER_CALL, Means};
pub use slot::{Allocation, Domain, Domains, MAX_DOMAINS, Slot};

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A real client: a Debian kernel above spm. Where it comes from, how it is started, and whether what it says is good.
//!
//! | module | what lives there |
//! |---|---|
//! | `packages`, `release`, `deb` | fetching Debian's packages, which of them is the newest, taking files out |
//! | `arm64_image` | the header of the kernel's image |
//! | `initramfs`, `newc` | the first process and what it needs, as an archive |
//! | `tree` | the device tree that the kernel reads |
//! | `boot` | one machine that boots it |
//! | `transcript` | what kernel and first process said |
//! | `rules`, `pattern` | what they must say, may say and must not |
//! | `verdict` | whether they did |
//!
//! The first process, the rules and the choice of the kernel stand in `tests/linux/`.

mod arm64_image;
mod boot;
mod deb;
mod initramfs;
mod newc;
mod packages;
mod pattern;
mod release;
mod rules;
mod transcript;
mod tree;
mod verdict;

pub(crate) use boot::{CORES, Kvm, LinuxTest};
pub(crate) use packages::{Kernel, Wanted};
pub(crate) use verdict::Finding;

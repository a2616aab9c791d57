// SPDX-License-Identifier: Apache-2.0 OR MIT
//! spm: the Secure Partition Manager Core at S-EL2, BL32 of a TF-A whose SPMD runs it.
//!
//! What it decides is in `spm_core`, which runs on any host; here is what touches the machine. `boot` brings it up,
//! `run` is what each core does from then on, `arch` holds all that is particular to the CPU.
#![no_std]
#![no_main]

mod address;
mod address_spaces;
mod arch;
mod boot;
mod buffer_window;
mod console;
mod contention;
mod contexts;
mod core_off;
mod cores;
mod image_store;
mod interrupt_lines;
mod interrupted;
mod loader;
mod machine;
mod mmu;
mod panic;
mod run;
mod stage2;
mod tables;
mod traps;
mod visit;
mod world;

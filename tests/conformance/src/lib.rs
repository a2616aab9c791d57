// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The conformance suite for FF-A 1.2: cases, one module a chapter of the specification (Arm DEN0077A).
//!
//! A case says what an endpoint does and what it must see. Those of one endpoint run the same steps wherever they are let
//! run, in the normal world and in partitions that speak different versions; those of several have the side of each
//! endpoint written beside the other. This crate is linked into BL33 (`normal/`), which runs the suite, and into the
//! partitions (`partition/`), which do their part when they are asked. It knows calls and buffers and no hardware, so
//! that the tool that prints the matrix reads the same tables.
//!
//! The cases follow the specification. What is not offered is in [`availability`], what is known to be done otherwise in
//! [`deviation`].
#![no_std]
#![forbid(unsafe_code)]

pub mod application;
pub mod availability;
pub mod case;
pub mod chapters;
pub mod deviation;
pub mod endpoint;
pub mod exchange;
pub mod interface;
pub mod outcome;
pub mod partner;
pub mod suite;
pub mod vectors;

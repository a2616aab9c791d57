// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The wire format itself: golden vectors that stand in a file, and that both the service's code and the C header give and read.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod book;
#[cfg(test)]
mod c;
#[cfg(test)]
mod requests;
#[cfg(test)]
mod slots;
#[cfg(test)]
mod vectors;

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Tests of the descriptions and of what is made from them. They need `dtc`.

#[cfg(test)]
mod all_platforms;
#[cfg(test)]
mod el3;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod images;
#[cfg(test)]
mod linux;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod source;
#[cfg(test)]
mod spm_accepts;

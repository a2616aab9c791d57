// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A machine on the host, with SMMUs at register level and devices that strike at any moment, under the service's own
//! code, driven by clients that try everything. After each step the invariants of the design are checked.
//!
//! | module | what lives there |
//! |---|---|
//! | `architecture` | the specifications' bits, read there and nowhere else |
//! | `memory` | what each address is; words of the pool as SMMUs see them |
//! | `smmu` | an SMMUv3 that does everything that it may do at the worst moment |
//! | `machine` | all of it together, and the service on it |
//! | `oracle` | what clients were told, and so what devices may reach |
//! | `client` | what clients do next |
//! | `script` | what was done, as text |
//! | [`episode`] | one machine from its start to its end, and making a failure smaller |
//! | [`bugs`] | whether all this notices anything |
//! | [`campaign`] | many episodes, and what they come to |

mod architecture;
pub mod bugs;
pub mod campaign;
mod client;
pub mod episode;
mod finding;
mod machine;
mod memory;
mod oracle;
mod random;
mod script;
mod smmu;

pub use finding::{Finding, Invariant};
pub use machine::Counts;
pub use random::Random;
pub use script::Script;

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_FEATURES (DEN0077A 13.3): what is told of each interface, and that what is not told is not there.

use crate::availability::{Availability, availability, refusal};
use crate::case::{Case, Instance, Run};
use crate::endpoint::{Endpoint, call, call_id};
use crate::interface::Interface;
use crate::outcome::{Outcome, same};
use arm_ffa::FfaError::NotSupported;
use arm_ffa::FuncId;

/// One case for each interface but the first, which is no function.
const COUNT: usize = Interface::ALL.len() - 1;

pub(super) const EACH: &[Case] = &each();

pub(super) const CASES: &[Case] = &[
    Case::alone(Interface::Features, "buffer-sizes", "13.3", Instance::ALL, buffer_sizes),
    Case::alone(Interface::Features, "feature-ids", "13.3; 10.7 rule 4", Instance::ALL, feature_ids),
    Case::alone(Interface::Features, "unknown-functions", "13.3", Instance::ALL, unknown_functions),
];

#[expect(clippy::indexing_slicing, reason = "evaluated by the compiler")]
const fn each() -> [Case; COUNT] {
    let mut cases = [Case {
        name: "discovery",
        interface: Interface::AnyCall,
        cites: "13.3; chapter 11, rule 6",
        at: Instance::ALL,
        cores: 1,
        run: Run::Each(discovery),
    }; COUNT];
    let mut place = 0;
    while place < COUNT {
        cases[place].interface = Interface::ALL[place + 1];
        place += 1;
    }
    cases
}

/// FFA_FEATURES tells of an interface where it is offered; where it is not, a call of it is refused.
fn discovery(endpoint: &mut dyn Endpoint, interface: Interface) -> Outcome {
    let at = endpoint.instance();
    for id in interface.ids() {
        let answer = call(endpoint, FuncId::Features, &[u64::from(*id)]);
        if availability(interface, at) == Availability::Offered {
            answer.success()?;
        } else {
            answer.error(NotSupported)?;
            call_id(endpoint, *id, &[]).error(refusal(interface, at))?;
        }
    }
    Ok(())
}

/// w2 of the answer for FFA_RXTX_MAP: bits 1-0 are 0 for 4 KiB, bits 31-16 the largest size in pages, 0 for no limit; it
/// came with FF-A 1.2.
fn buffer_sizes(endpoint: &mut dyn Endpoint) -> Outcome {
    for id in [FuncId::RxTxMap32, FuncId::RxTxMap64] {
        let answer = call(endpoint, FuncId::Features, &[u64::from(u32::from(id))]);
        answer.success()?;
        same(answer.w(2) & 0b11, 0_u32)?;
        same(answer.w(2) & 0xfffc, 0_u32)?;
        same(answer.w(3), 0_u32)?;
    }
    Ok(())
}

/// Interrupts of notifications are told of only where notifications are; numbers that are reserved never are.
fn feature_ids(endpoint: &mut dyn Endpoint) -> Outcome {
    for id in [0_u64, 1, 2, 3, 4, 5, 0x42, 0xff, 0x101, 0x7fff_ffff] {
        call(endpoint, FuncId::Features, &[id]).error(NotSupported)?;
    }
    Ok(())
}

/// Function IDs of the range that FF-A reserves, and those of others.
fn unknown_functions(endpoint: &mut dyn Endpoint) -> Outcome {
    for id in [0x8400_00a0_u64, 0xc400_00ff, 0xc400_0063, 0x8400_0000, 0x8000_0000, 0xffff_ffff] {
        call(endpoint, FuncId::Features, &[id]).error(NotSupported)?;
    }
    Ok(())
}

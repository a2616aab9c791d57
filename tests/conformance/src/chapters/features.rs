// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_FEATURES (DEN0077A 13.3): what is told of each interface, and that what is not told is not there.

use crate::availability::{Availability, availability, refusal};
use crate::case::{Case, Instance, Run, World};
use crate::endpoint::{Endpoint, call, call_id};
use crate::interface::Interface;
use crate::outcome::{Outcome, ensure, same};
use crate::partner::Partner;
use arm_ffa::FfaError::NotSupported;
use arm_ffa::{FuncId, Version};

/// One case for each interface but the first, which is no function.
const COUNT: usize = Interface::ALL.len() - 1;

pub(super) const EACH: &[Case] = &each();

pub(super) const CASES: &[Case] = &[
    Case::alone(Interface::Features, "buffer-sizes", "13.3", Instance::ALL, buffer_sizes),
    Case::alone(Interface::Features, "feature-ids", "13.3; 10.7 rule 4", Instance::ALL, feature_ids),
    Case::alone(
        Interface::Features,
        "notification-interrupts",
        "13.3; 10.4.1; 10.7 rules 4 and 5",
        Instance::ALL,
        notification_interrupts,
    ),
    Case::alone(Interface::Features, "retrieval", "DEN0140 table 3.1", Instance::ALL, retrieval),
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
        partners: &[],
        run: Run::Each(discovery),
    }; COUNT];
    let mut place = 0;
    while place < COUNT {
        cases[place].interface = Interface::ALL[place + 1];
        place += 1;
    }
    cases
}

/// What a function that is none answers (SMCCC 5.1).
const SMCCC_UNKNOWN: u64 = u64::MAX;
/// Bit 1 of the properties of FFA_MEM_RETRIEVE_REQ.
const SECURITY: u64 = 1 << 1;

/// FFA_FEATURES tells of an interface where it is offered; where it is not, a call of it is refused.
fn discovery(endpoint: &mut dyn Endpoint, interface: Interface) -> Outcome {
    let at = endpoint.instance();
    for id in interface.ids() {
        // Partitions of FF-A 1.1 and later have to know of secure and non-secure memory (DEN0140 table 3.1).
        let partition = at.world != World::Normal && at.version > Version(1, 0);
        let knows_security = partition && interface == Interface::MemRetrieveReq;
        let properties = if knows_security { SECURITY } else { 0 };
        let answer = call(endpoint, FuncId::Features, &[u64::from(*id), properties]);
        if availability(interface, at) == Availability::Offered {
            answer.success()?;
        } else {
            answer.error(NotSupported)?;
            let refused = call_id(endpoint, *id, &[]);
            if (at.world, interface) == (World::Normal, Interface::Abort) {
                // Newer than EL3's firmware, to which it is no call of FF-A's.
                same(refused.x(0), SMCCC_UNKNOWN)?;
            } else {
                refused.error(refusal(interface, at))?;
            }
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

/// The interrupts of notifications are told of to those who get them, since FF-A 1.1 (10.4.1): the schedule receiver
/// interrupt to the normal world, the notification pending interrupt, a private one, to partitions that can take interrupts.
fn notification_interrupts(endpoint: &mut dyn Endpoint) -> Outcome {
    const NOTIFICATION_PENDING: u64 = 1;
    const SCHEDULE_RECEIVER: u64 = 2;
    let at = endpoint.instance();
    let (told, not_told, private) = match at.world {
        World::Normal => (SCHEDULE_RECEIVER, NOTIFICATION_PENDING, 1020),
        World::Secure => (NOTIFICATION_PENDING, SCHEDULE_RECEIVER, 32),
        World::Application => {
            call(endpoint, FuncId::Features, &[NOTIFICATION_PENDING]).error(NotSupported)?;
            return call(endpoint, FuncId::Features, &[SCHEDULE_RECEIVER]).error(NotSupported);
        }
    };
    call(endpoint, FuncId::Features, &[not_told]).error(NotSupported)?;
    let answer = call(endpoint, FuncId::Features, &[told]);
    if at.version < Version(1, 1) {
        return answer.error(NotSupported);
    }
    answer.success()?;
    ensure(answer.w(2) < private, [u64::from(answer.w(2)), 0, 0])
}

/// A partition of FF-A 1.1 or later that does not know of bit 6 of attributes cannot retrieve; the others are told that it is
/// set.
fn retrieval(endpoint: &mut dyn Endpoint) -> Outcome {
    let at = endpoint.instance();
    for id in [FuncId::MemRetrieveReq32, FuncId::MemRetrieveReq64] {
        let id = u64::from(u32::from(id));
        let plain = call(endpoint, FuncId::Features, &[id, 0]);
        if at.world != World::Normal && at.version > Version(1, 0) {
            plain.error(NotSupported)?;
            let answer = call(endpoint, FuncId::Features, &[id, SECURITY]);
            answer.success()?;
            same(u64::from(answer.w(2)) & SECURITY, SECURITY)?;
        } else {
            plain.success()?;
        }
    }
    Ok(())
}

/// Managed exit is told of to the partition that it comes to alone; other numbers are reserved, or of what is not there.
fn feature_ids(endpoint: &mut dyn Endpoint) -> Outcome {
    const MANAGED_EXIT: u64 = 3;
    let told = call(endpoint, FuncId::Features, &[MANAGED_EXIT]);
    if endpoint.id() == Partner::Old11.id() {
        told.success()?;
        // Not one of a device, nor an SGI of the physical interrupt controller that the partition could mistake it for.
        ensure(told.w(2) != 0 && told.w(2) < 32, [told.w(2).into(), 0, 0])?;
    } else {
        told.error(NotSupported)?;
    }
    for id in [0_u64, 4, 5, 0x42, 0xff, 0x101, 0x7fff_ffff] {
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

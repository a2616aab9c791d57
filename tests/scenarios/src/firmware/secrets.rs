// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the normal world's CPU reaches: secure memory never, the SMMU where nobody guards it.
#![expect(unsafe_code, reason = "accesses that have to be refused, by any address")]

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Outcome, Scenario},
    seen,
    world::World,
};
use nwd::guarded;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "secure-memory",
        claim: "The normal world's CPU can neither read nor write the service's memory",
        expected: "an external abort for each access, where ordinary memory answers",
        audience: Everyone,
        cores: 1,
        run: secure_memory,
    },
    Scenario {
        name: "guard-level",
        claim: "Software at EL2 reaches the SMMU's registers only where the stated guard level says so",
        expected: "they answer, unless the guard is a filter on the bus",
        audience: Everyone,
        cores: 1,
        run: guard_level,
    },
];

fn secure_memory(world: &mut World) -> Outcome {
    let page = world.page(0);
    let secret = world.random.word();
    page.write(0, &secret.to_le_bytes());
    // SAFETY: a page of scratch memory, in use by nobody else.
    let control = unsafe { guarded::read32(page.address().0) };
    ensure!(control == Ok(u32::try_from(secret & 0xffff_ffff).unwrap_or(0)), "ordinary memory: {control:x?}");
    let (base, size) = platform::SECURE_RAM;
    let (service, _) = platform::IOMMU_SP;
    for address in [base, service, service + 0x4000, base + size - 4] {
        // SAFETY: reading RAM has no effect; here it is to be refused.
        let read = unsafe { guarded::read32(address) };
        ensure!(read.is_err_and(guarded::Fault::is_external_abort), "read of {address:#x}: {read:x?}");
        // SAFETY: none of this program's memory is secure; here the write is to be refused.
        let write = unsafe { guarded::write32(address, 0x5555_5555) };
        ensure!(write.is_err_and(guarded::Fault::is_external_abort), "write of {address:#x}: {write:x?}");
    }
    world.iommu.version()?;
    seen!("external aborts at four addresses, for reads and writes; ordinary memory answers")
}

fn guard_level(world: &mut World) -> Outcome {
    let (frame, _) = platform::SMMU_FRAME;
    // SAFETY: SMMU_IDR0 is the first register; reading it has no effect (IHI 0070, 6.3.1).
    let register = unsafe { guarded::read32(frame) };
    ensure!(
        register.is_ok() == (platform::GUARD != "bus-filter"),
        "guard {}: {register:x?}",
        platform::GUARD
    );
    if register.is_err() {
        return seen!("guard level {}: the SMMU's registers do not answer to this CPU", platform::GUARD);
    }
    world.say(format_args!(
        "   This is the limit of what is shown here: this program itself, at EL2, could open the SMMU."
    ));
    world.say(format_args!(
        "   On a product a bus filter, or a hypervisor that is trusted, keeps others from that."
    ));
    seen!("guard level {}: the SMMU's registers answer to this CPU, which is at EL2", platform::GUARD)
}

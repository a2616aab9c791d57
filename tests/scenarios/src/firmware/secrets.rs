// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Secure memory is not the normal world's.
#![expect(unsafe_code, reason = "accesses that have to be refused, by any address")]

use crate::{
    ensure, platform,
    scenario::{Audience::Everyone, Outcome, Scenario},
    seen,
    world::World,
};
use nwd::guarded;

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "secure-memory",
    claim: "The normal world's CPU can neither read nor write the service's memory",
    expected: "an external abort for each access, where ordinary memory answers",
    audience: Everyone,
    cores: 1,
    run: secure_memory,
}];

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

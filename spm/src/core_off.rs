// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a core does before it goes off: it tells those partitions that want to know, one after the other, and leaves to another
//! core what would wait for it.

use spm_core::framework_message::{PSCI_SUCCESS, core_off_status, tell_core_off};
use spm_core::manifest::actions::NsInterruptsAction;
use spm_core::vcpu::VcpuState;

use crate::arch::sysreg::MPIDR_EL1;
use crate::arch::{gic, timer};
use crate::console::say;
use crate::cores::ROUTES;
use crate::interrupt_lines;
use crate::run::Run;

impl Run<'_> {
    /// Serves the SPMD's message in the normal world's registers. A partition that does not agree changes nothing: EL3 would
    /// take a refusal for an error of its own and stop the machine.
    #[cold]
    pub(crate) fn core_goes_off(&mut self) {
        let message = self.normal.message;
        let mut place = 0;
        while let Some(vcpu) = self.world.spmc.claim_for_core_off(place, self.core) {
            place = vcpu.partition.saturating_add(1);
            let Some(mut held) = self.hold(vcpu, VcpuState::Waiting) else { continue };
            let partition = held.partition;
            tell_core_off(self.world.spmc.id(), partition.id(), &mut held.context.registers.message);
            held.action = NsInterruptsAction::Queued;
            self.until_answered(held);
            match core_off_status(&self.normal.message) {
                Some(PSCI_SUCCESS) | None => {}
                Some(status) => {
                    say!("{}: core {} goes off against its will ({status:#x})", partition.name(), vcpu.vcpu);
                }
            }
        }
        timer::arm(None);
        ROUTES.go_off(self.core, |other| {
            interrupt_lines::pass_on(self.world, MPIDR_EL1::read(), other);
            // It has the timers of partitions with one context from now.
            gic::kick(other);
        });
        self.normal.message = message;
        self.world.spmc.agree_to_core_off(&mut self.normal.message);
    }
}

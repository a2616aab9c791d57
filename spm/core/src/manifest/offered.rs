// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which values of fields that are understood spm does not act on yet: one function for each field.
//!
//! A manifest with such a value is refused, since its partition would not get what it counts on. Whoever builds what is
//! missing changes the line here, and the row of `docs/manifests.md`.

use super::actions::{AbortAction, NsInterruptsAction, PowerMessages};
use super::fdt::{Node, Noted};
use super::interrupt::InterruptKind;
use super::partition::ExceptionLevel;
use super::region::Security;
use super::{PartitionManifest, Reason};

/// What happens to non-secure interrupts if the manifest does not say: as Hafnium has it.
pub(super) const NS_INTERRUPTS_DEFAULT: NsInterruptsAction = NsInterruptsAction::Signalled;

/// Refuses a manifest with a value that is not offered, and names the field.
pub(super) fn check(root: &Node<'_>, manifest: &PartitionManifest) -> Result<(), Noted> {
    for (property, missing) in [
        ("exception-level", exception_level(manifest)),
        ("power-management-messages", power_messages(manifest.power_messages)),
        ("abort-action", abort_action(manifest)),
    ] {
        if let Some(why) = missing {
            return Err(root.wrong_property(property, Reason::NotSupported(why)));
        }
    }
    Ok(())
}

/// Without a stage 1 of its own a partition names secure addresses only.
const NON_SECURE_AT_EL0: &str = "non-secure regions at S-EL0";

fn exception_level(manifest: &PartitionManifest) -> Option<&'static str> {
    let mut regions = manifest.memory_regions.iter().chain(manifest.devices());
    let non_secure = regions.any(|region| region.security == Security::NonSecure);
    match manifest.exception_level {
        ExceptionLevel::SEl0 if non_secure => Some(NON_SECURE_AT_EL0),
        ExceptionLevel::SEl0 | ExceptionLevel::SEl1 => None,
    }
}

const fn power_messages(wanted: PowerMessages) -> Option<&'static str> {
    match wanted {
        PowerMessages::NONE | PowerMessages::CPU_OFF => None,
        _ => Some("messages about suspended cores"),
    }
}

/// Each core would have to set its own up again.
const RESTART_WITH_PRIVATE: &str = "restarting a partition with private interrupts";

fn abort_action(manifest: &PartitionManifest) -> Option<&'static str> {
    let has_private =
        || manifest.interrupts.iter().any(|interrupt| interrupt.kind() == InterruptKind::Private);
    match manifest.abort_action {
        AbortAction::Restart if has_private() => Some(RESTART_WITH_PRIVATE),
        AbortAction::Stop | AbortAction::Destroy | AbortAction::Restart | AbortAction::Propagate => None,
    }
}

/// Returns for each field why values of it are refused.
#[cfg(test)]
pub(super) fn missing() -> [(&'static str, Vec<&'static str>); 3] {
    let messages = [
        PowerMessages::NONE,
        PowerMessages::CPU_OFF,
        PowerMessages::CPU_SUSPEND,
        PowerMessages::CPU_SUSPEND_RESUME,
    ];
    let mut messages: Vec<_> = messages.into_iter().filter_map(power_messages).collect();
    messages.dedup();
    [
        ("exception-level", vec![NON_SECURE_AT_EL0]),
        ("power-management-messages", messages),
        ("abort-action", vec![RESTART_WITH_PRIVATE]),
    ]
}

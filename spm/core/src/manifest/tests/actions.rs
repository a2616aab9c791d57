// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition wants done about others' interrupts, power changes and its own end: values that are acted on are
//! read, the others are refused by name.

use super::partitions::{parse, refused};
use super::{Tree, cells, partition_tree};
use crate::manifest::Reason;
use crate::manifest::actions::{
    AbortAction, InterruptActions, NsInterruptsAction, OtherInterruptsAction, PowerMessages,
};
use crate::manifest::partition::ExceptionLevel;

const NS: &str = "ns-interrupts-action";
const OTHERS: &str = "other-s-interrupts-action";
const POWER: &str = "power-management-messages";

fn set(name: &str, value: u32) -> Tree {
    partition_tree().set("", name, cells(&[value]))
}

#[test]
fn without_a_word_all_interrupts_preempt() {
    let without = parse(&partition_tree().without(NS)).unwrap().interrupt_actions;
    assert_eq!(without.non_secure, NsInterruptsAction::Signalled);
    let expected = InterruptActions {
        non_secure: NsInterruptsAction::Queued,
        other_secure: OtherInterruptsAction::Signalled,
        managed_exit_by_fiq: true,
    };
    for tree in [partition_tree(), set(OTHERS, 1)] {
        assert_eq!(parse(&tree).unwrap().interrupt_actions, expected);
    }
    let queued = parse(&set(OTHERS, 0)).unwrap().interrupt_actions;
    assert_eq!(queued.other_secure, OtherInterruptsAction::Queued);
    let by_irq = parse(&partition_tree().with("managed-exit-virq", vec![])).unwrap();
    assert!(!by_irq.interrupt_actions.managed_exit_by_fiq);
}

#[test]
fn each_action_is_read_and_others_are_refused() {
    let managed = NsInterruptsAction::ManagedExit;
    for (tree, action) in [
        (set(NS, 0), NsInterruptsAction::Queued),
        (set(NS, 1), managed),
        (partition_tree().without(NS).with("managed-exit", vec![]), managed),
        (set(NS, 1).with("managed-exit", vec![]), managed),
        (set(NS, 2), NsInterruptsAction::Signalled),
    ] {
        assert_eq!(parse(&tree).unwrap().interrupt_actions.non_secure, action);
    }
    refused(&set(NS, 3), "/", NS, Reason::OutOfRange(3));
    refused(&set(OTHERS, 2), "/", OTHERS, Reason::OutOfRange(2));
}

#[test]
fn actions_have_to_agree() {
    for action in [0, 2] {
        let tree = set(NS, action).with("managed-exit", vec![]);
        refused(&tree, "/", "managed-exit", Reason::Duplicate);
    }
    for action in [1, 2] {
        let tree = set(NS, action).set("", OTHERS, cells(&[0]));
        let why = "others' secure interrupts queued, but non-secure ones not";
        refused(&tree, "/", OTHERS, Reason::NotSupported(why));
    }
}

#[test]
fn a_partition_at_s_el0_has_one_context_and_no_managed_exit() {
    let mixed = || set("exception-level", 1).set("", "execution-ctx-count", cells(&[1]));
    let secure = |tree: Tree, region| tree.set(region, "attributes", cells(&[0b0011]));
    let (memory, device) = ("memory-regions/pool", "device-regions/other");
    let el0 = || secure(secure(mixed(), memory), device);
    for tree in [mixed(), secure(mixed(), memory), secure(mixed(), device)] {
        refused(&tree, "/", "exception-level", Reason::NotSupported("non-secure regions at S-EL0"));
    }
    assert_eq!(parse(&el0()).unwrap().exception_level, ExceptionLevel::SEl0);
    let exit = Reason::NotSupported("managed exit at S-EL0");
    refused(&el0().set("", NS, cells(&[1])), "/", NS, exit);
    refused(&el0().without(NS).with("managed-exit", vec![]), "/", NS, exit);
    let many = Reason::NotSupported("more than one execution context at S-EL0");
    refused(&set("exception-level", 1), "/", "execution-ctx-count", many);
}

#[test]
fn power_messages_are_for_partitions_that_run_on_all_cores() {
    for bits in 1..8 {
        if bits == 1 {
            assert_eq!(parse(&set(POWER, bits)).unwrap().power_messages, PowerMessages::CPU_OFF);
        } else {
            refused(&set(POWER, bits), "/", POWER, Reason::NotSupported("messages about suspended cores"));
        }
        // A partition with one context is not bound to a core: there is nothing to tell it.
        let single = set(POWER, bits).set("", "execution-ctx-count", cells(&[1]));
        assert_eq!(parse(&single).unwrap().power_messages, PowerMessages::NONE);
    }
    assert_eq!(parse(&set(POWER, 0)).unwrap().power_messages, PowerMessages::NONE);
    for bits in [8, 1 << 31] {
        refused(&set(POWER, bits), "/", POWER, Reason::OutOfRange(bits.into()));
    }
    let all = PowerMessages::from_bits(7).unwrap();
    for message in [PowerMessages::CPU_OFF, PowerMessages::CPU_SUSPEND, PowerMessages::CPU_SUSPEND_RESUME] {
        assert!(all.contains(message) && !PowerMessages::NONE.contains(message));
    }
}

#[test]
fn what_becomes_of_a_partition_that_aborts_is_its_manifests_choice() {
    let with = |action: u32| {
        partition_tree().with("lifecycle-support", vec![]).set("", "abort-action", cells(&[action]))
    };
    let silent = parse(&partition_tree()).unwrap();
    assert_eq!((silent.lifecycle_support, silent.abort_action), (false, AbortAction::Stop));
    let all = [AbortAction::Stop, AbortAction::Destroy, AbortAction::Restart, AbortAction::Propagate];
    let private = "restarting a partition with private interrupts";
    for (action, meaning) in (0..).zip(all) {
        let manifest = parse(&with(action)).unwrap();
        assert_eq!((manifest.lifecycle_support, manifest.abort_action), (true, meaning));
        // A level-triggered secure PPI.
        let with_private = with(action).set("device-regions/smmu", "interrupts", cells(&[17, 0x780]));
        if meaning == AbortAction::Restart {
            refused(&with_private, "/", "abort-action", Reason::NotSupported(private));
        } else {
            assert_eq!(parse(&with_private).unwrap().abort_action, meaning);
        }
    }
    refused(&with(4), "/", "abort-action", Reason::OutOfRange(4));
    refused(&with(0).without("lifecycle-support"), "/", "lifecycle-support", Reason::Missing);
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What several cores can do to a vCPU and to a mailbox, in many orders: `shuttle` runs them on one thread, and switches between
//! them at each access of what [`crate::sync`] has.
//!
//! The orders are sequentially consistent: which `Ordering` an access needs is not seen here. The tests of notifications and of
//! memory management stand beside their others.

use std::sync::Arc;

use arm_ffa::FfaError;
use arm_ffa::interface_args::RxTxAddr;
use shuttle::scheduler::{DfsScheduler, PctScheduler, RandomScheduler};
use shuttle::sync::atomic::{AtomicU64, Ordering};
use shuttle::{Config, Runner, thread};

use crate::hardware::FakeHardware;
use crate::mailbox::{BufferPair, Mailbox, MailboxOwner};
use crate::vcpu::{Vcpu, VcpuState};

/// Orders that are tried where there are too many to try all.
const ORDERS: usize = 500;
/// More than any test that tries all orders has.
const ALL: usize = 200_000;

fn config() -> Config {
    let mut config = Config::new();
    // The fake machine's tables are built on it.
    config.stack_size = 4 << 20;
    config
}

/// Runs `test` in many orders, which are the same each time: half of them switch often, the others seldom, so that one core
/// waits at one place for all that another does.
pub(crate) fn in_many_orders(test: fn()) {
    Runner::new(RandomScheduler::new_from_seed(1, ORDERS / 2), config()).run(test);
    Runner::new(PctScheduler::new_from_seed(1, 2, ORDERS / 2), config()).run(test);
}

/// Runs `test` in all orders that there are.
fn in_all_orders(test: fn()) {
    let orders = Runner::new(DfsScheduler::new(Some(ALL), false), config()).run(test);
    assert!((2..ALL).contains(&orders), "{orders} orders are not all");
}

/// Does both at once, each on its core; returns what came of them.
pub(crate) fn both<A: Send + 'static, B: Send + 'static>(
    one: impl FnOnce() -> A + Send + 'static,
    other: impl FnOnce() -> B + Send + 'static,
) -> (A, B) {
    let (one, other) = (thread::spawn(one), thread::spawn(other));
    (one.join().unwrap(), other.join().unwrap())
}

fn waiting() -> Arc<Vcpu> {
    let vcpu = Arc::new(Vcpu::default());
    vcpu.transition(VcpuState::Off, VcpuState::Waiting).unwrap();
    vcpu
}

fn claim(vcpu: &Vcpu) -> bool {
    vcpu.transition(VcpuState::Waiting, VcpuState::Running).is_ok()
}

#[test]
fn a_waiting_vcpu_goes_to_exactly_one_core() {
    in_all_orders(|| {
        let vcpu = waiting();
        let claims: Vec<_> = (0..3)
            .map(|_| {
                let vcpu = Arc::clone(&vcpu);
                thread::spawn(move || claim(&vcpu))
            })
            .collect();
        let wins = claims.into_iter().map(|claim| usize::from(claim.join().unwrap()));
        assert_eq!(wins.sum::<usize>(), 1);
        assert_eq!(vcpu.state(), VcpuState::Running);
    });
}

#[test]
fn a_stop_is_final_whoever_claims_the_vcpu_meanwhile() {
    in_all_orders(|| {
        let vcpu = waiting();
        let (stopped, claimed) = (Arc::clone(&vcpu), Arc::clone(&vcpu));
        both(
            move || stopped.abort(),
            move || {
                if claim(&claimed) && claimed.transition(VcpuState::Running, VcpuState::Waiting).is_err() {
                    claimed.give_up();
                }
            },
        );
        assert_eq!(vcpu.state(), VcpuState::Stopped);
    });
}

const OWNER: MailboxOwner = MailboxOwner::Vm(0);

fn buffers() -> BufferPair {
    BufferPair::new(RxTxAddr::Addr64 { rx: 0x4000_0000, tx: 0x4000_1000 }, 1, |_| true).unwrap()
}

fn mapped() -> (Arc<Mailbox>, Arc<FakeHardware>) {
    let (mailbox, hardware) = (Arc::new(Mailbox::default()), Arc::new(FakeHardware::default()));
    mailbox.map(OWNER, buffers(), &*hardware).unwrap();
    (mailbox, hardware)
}

#[test]
fn a_receive_buffer_never_has_two_holders() {
    in_many_orders(|| {
        let ((mailbox, hardware), holders) = (mapped(), Arc::new(AtomicU64::new(0)));
        let sender = || {
            let (mailbox, hardware, holders) =
                (Arc::clone(&mailbox), Arc::clone(&hardware), Arc::clone(&holders));
            move || {
                let fill = || {
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "somebody else has it");
                    Ok(())
                };
                mailbox.deliver(OWNER, 8, &*hardware, fill)
            }
        };
        let (first, second) = (sender(), sender());
        let owner = {
            let (mailbox, holders) = (Arc::clone(&mailbox), Arc::clone(&holders));
            // It reads what it got, and gives it back: from then on the buffer is nobody's.
            thread::spawn(move || {
                if mailbox.acquire().is_ok() {
                    assert_eq!(holders.fetch_add(1, Ordering::SeqCst), 0, "somebody else has it");
                    holders.fetch_sub(1, Ordering::SeqCst);
                    mailbox.release_for_vm().unwrap();
                }
            })
        };
        let delivered = both(first, second);
        owner.join().unwrap();
        // What was delivered was not given back, so that only one can have been.
        let count = usize::from(delivered.0.is_ok()) + usize::from(delivered.1.is_ok());
        assert!(count <= 1);
        assert_eq!(mailbox.release().is_ok(), count == 1);
        for refused in [delivered.0, delivered.1] {
            assert!(matches!(refused, Ok(()) | Err(FfaError::Busy)));
        }
    });
}

#[test]
fn a_full_receive_buffer_is_given_back_once() {
    in_all_orders(|| {
        let (mailbox, hardware) = mapped();
        mailbox.deliver(OWNER, 8, &*hardware, || Ok(())).unwrap();
        let (one, other) = (Arc::clone(&mailbox), Arc::clone(&mailbox));
        let released = both(move || one.release(), move || other.release());
        assert!(matches!(released, (Ok(()), Err(FfaError::Denied)) | (Err(FfaError::Denied), Ok(()))));
    });
}

#[test]
fn buffers_stay_mapped_while_a_message_is_written() {
    in_many_orders(|| {
        let (mailbox, hardware) = mapped();
        let (to_unmap, its_hardware) = (Arc::clone(&mailbox), Arc::clone(&hardware));
        let deliver = move || {
            let fill = || {
                thread::yield_now();
                assert_eq!(hardware.mapped.lock().unwrap().len(), 1, "it is not mapped any more");
                Ok(())
            };
            mailbox.deliver(OWNER, 8, &*hardware, fill)
        };
        let (delivered, unmapped) = both(deliver, move || to_unmap.unmap(OWNER, &*its_hardware));
        assert_eq!(unmapped, Ok(()));
        assert!(matches!(delivered, Ok(()) | Err(FfaError::Busy)));
    });
}

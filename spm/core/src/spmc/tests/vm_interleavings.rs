// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A hypervisor changes the buffers of its VMs while others use them, in many orders ([`crate::interleavings`]).

use std::sync::Arc;

use super::buffers::describe_vm;
use super::*;
use crate::interleavings::{both, in_many_orders};

const MAP: u64 = 0xc400_0066;
const UNMAP: u64 = 0x8400_0067;
const RELEASE: u64 = 0x8400_0065;
const ACQUIRE: u64 = 0x8400_0084;
/// VMs, as w1 of RXTX_UNMAP and FFA_MSG_SEND2 holds them.
const FIVE: u64 = 5 << 16;

/// Two that use one SPMC on one machine.
struct Machine {
    spmc: Spmc,
    hardware: FakeHardware,
}

impl Machine {
    /// VM 5 has buffers; the descriptor of VM 6 stands in the hypervisor's send buffer.
    fn shared() -> [Arc<Self>; 3] {
        let (spmc, hardware) = with_buffers();
        let machine = Arc::new(Self { spmc, hardware });
        describe_vm(&machine.hardware, 5, 0x4000_4000);
        assert_eq!(machine.normal(&[MAP]), (OK, 0));
        describe_vm(&machine.hardware, 6, 0x4000_6000);
        [Arc::clone(&machine), Arc::clone(&machine), machine]
    }

    fn normal(&self, values: &[u64]) -> (u64, u64) {
        let mut message = registers(values);
        self.spmc.from_normal_world(&mut message, core(0), &self.hardware);
        (message[0], message[2])
    }

    /// Lets VM 6 be in the place of VM 5.
    fn replace(&self) {
        assert_eq!(self.normal(&[UNMAP, FIVE]), (OK, 0));
        assert_eq!(self.normal(&[MAP]), (OK, 0));
    }
}

#[test]
fn a_message_to_a_vm_does_not_go_to_the_next_one() {
    in_many_orders(|| {
        let [sender, hypervisor, machine] = Machine::shared();
        write(&machine.hardware, MailboxOwner::Partition(0), &indirect(FIRST, 5, 0, b"for VM 5"));
        let (sent, ()) = both(
            move || {
                let mut message = registers(&[SEND2]);
                sender.spmc.from_partition(at(0), &mut message, core(1), &sender.hardware);
                message
            },
            move || hypervisor.replace(),
        );
        assert!(sent[0] == OK || sent[2] == INVALID_PARAMETERS, "{sent:x?}");
        assert_eq!(machine.normal(&[RELEASE, 6]), (ERROR, DENIED), "VM 6 has a message");
    });
}

#[test]
fn nothing_is_sent_from_the_buffer_of_the_next_vm() {
    in_many_orders(|| {
        let [sender, hypervisor, machine] = Machine::shared();
        // It says that it comes from VM 5, whose place VM 6 has then.
        write(&machine.hardware, MailboxOwner::Vm(0), &indirect(5, FIRST, 0, b"from VM 6"));
        let (sent, ()) = both(
            move || sender.normal(&[SEND2, FIVE]),
            move || {
                assert_eq!(hypervisor.normal(&[UNMAP, FIVE]), (OK, 0));
                // VM 6 in its place.
                let taken = hypervisor.normal(&[MAP]);
                assert_eq!(taken, (OK, 0));
                write(&hypervisor.hardware, MailboxOwner::Vm(0), &indirect(5, SECOND, 0, b"from VM 6"));
            },
        );
        assert!(sent.0 == OK || sent.1 == INVALID_PARAMETERS, "{sent:x?}");
        let second = &machine.spmc.partitions()[1];
        assert_eq!(second.mailbox.release(), Err(FfaError::Denied), "VM 6 sent in the name of VM 5");
    });
}

#[test]
fn the_next_vm_keeps_its_buffer_when_the_one_before_is_acquired_and_released() {
    in_many_orders(|| {
        let [owner, hypervisor, machine] = Machine::shared();
        both(
            move || {
                _ = owner.normal(&[ACQUIRE, 5]);
                _ = owner.normal(&[RELEASE, 5]);
                _ = owner.normal(&[ACQUIRE, 5]);
            },
            move || hypervisor.replace(),
        );
        assert_eq!(machine.normal(&[ACQUIRE, 6]), (OK, 0), "somebody else holds the buffer of VM 6");
    });
}

#[test]
fn whatever_is_done_with_buffers_at_once_comes_to_an_end() {
    in_many_orders(|| {
        let [mapper, sender, machine] = Machine::shared();
        write(&machine.hardware, MailboxOwner::Partition(0), &indirect(FIRST, 5, 0, b"hello"));
        let partition = Arc::clone(&machine);
        let partition = shuttle::thread::spawn(move || {
            for call in [&[SEND2][..], &[UNMAP], &[MAP, 0x0e50_1000, 0x0e50_0000, 1]] {
                let mut message = registers(call);
                partition.spmc.from_partition(at(0), &mut message, core(2), &partition.hardware);
            }
        });
        both(
            // Memory management's lock, the normal world's buffer, the list of VMs, a VM's buffer.
            move || mapper.replace(),
            move || {
                write(&sender.hardware, MailboxOwner::Vm(0), &indirect(5, FIRST, 0, b"hello"));
                _ = sender.normal(&[SEND2, FIVE]);
                // FFA_MEM_SHARE of what is no descriptor, FFA_RX_RELEASE, the list of partitions.
                for call in [&[0x8400_0073, 0x1000, 0x1000][..], &[RELEASE], &[0x8400_0068]] {
                    _ = sender.normal(call);
                }
            },
        );
        partition.join().unwrap();
        assert_eq!(machine.normal(&[ACQUIRE, 6]), (OK, 0));
    });
}

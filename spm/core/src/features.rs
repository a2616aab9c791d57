// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which functions there are, for whom and since which version: the one table that FFA_FEATURES answers from (FF-A 1.2
//! §13.3) and by which every other call is let through.

use arm_ffa::Version;

use crate::function;
use crate::gic::SCHEDULE_RECEIVER_SGI;
use crate::interrupts::InterruptLine;
use crate::mailbox::MAX_BUFFER_PAGES;
use crate::manifest::partition::ExceptionLevel;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The normal world, through the SPMD.
    NormalWorld,
    /// A partition.
    Partition {
        /// Whether it takes notifications.
        receives_notifications: bool,
        /// Whether the normal world's interrupts let it exit.
        exits_managed: bool,
        /// Whether its manifest says that it goes through all states of a partition's life.
        has_lifecycle: bool,
        /// Where it runs.
        level: ExceptionLevel,
    },
}

/// A function that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The version of FF-A that defined it first.
    pub since: Version,
    /// What FFA_FEATURES tells of it in w2.
    pub properties: u32,
}

/// Features that FFA_FEATURES tells of by an ID of their own (FF-A 1.2 table 13.14).
mod feature {
    pub(super) const NOTIFICATION_PENDING_INTERRUPT: u32 = 1;
    pub(super) const SCHEDULE_RECEIVER_INTERRUPT: u32 = 2;
    pub(super) const MANAGED_EXIT_INTERRUPT: u32 = 3;
}

const V1_0: Version = Version(1, 0);
const V1_1: Version = Version(1, 1);
const V1_2: Version = Version(1, 2);

/// Property of FFA_MEM_RETRIEVE_REQ: the receiver is told whether memory is secure (DEN 0140 1.2, table 3.1).
pub const SECURITY_IS_TOLD: u32 = 1 << 1;
/// As above: a hypervisor can ask for what its VM has sent.
const HYPERVISOR_RETRIEVES: u32 = 1 << 2;
/// All properties in w2. Descriptors come by the send buffer alone (bit 0). Memory is retrieved once until it is relinquished:
/// w3 is 0.
const RETRIEVAL: u32 = SECURITY_IS_TOLD | HYPERVISOR_RETRIEVES;

/// Returns the function with this ID; nothing if it is not there for `caller`.
#[must_use]
pub fn offer(id: u32, caller: Caller) -> Option<Offer> {
    let (normal_world_only, partitions_only) = match caller {
        Caller::NormalWorld => (Some(()), None),
        Caller::Partition { .. } => (None, Some(())),
    };
    // FF-A 1.2 §10.7, rule 5.
    let receivers_only = match caller {
        Caller::NormalWorld | Caller::Partition { receives_notifications: true, .. } => Some(()),
        Caller::Partition { receives_notifications: false, .. } => None,
    };
    // What needs a stage 1, vectors or further vCPUs of the partition's own; and what is there in their place.
    let (systems_only, applications_only) = match caller {
        Caller::NormalWorld => (None, None),
        Caller::Partition { level: ExceptionLevel::SEl1, .. } => (Some(()), None),
        Caller::Partition { level: ExceptionLevel::SEl0, .. } => (None, Some(())),
    };
    let (since, properties) = match id {
        function::ERROR_32
        | function::SUCCESS_32
        | function::SUCCESS_64
        | function::VERSION
        | function::FEATURES
        | function::RX_RELEASE
        | function::RXTX_UNMAP
        | function::PARTITION_INFO_GET
        | function::ID_GET
        | function::REQUEST_32
        | function::REQUEST_64 => (V1_0, 0),
        function::SPM_ID_GET | function::MSG_SEND2 | function::NOTIFICATION_SET => (V1_1, 0),
        function::REQUEST2 => (V1_2, 0),
        function::RUN => (V1_0, 0),
        function::PARTITION_INFO_GET_REGS => (V1_2, 0),
        // Bits 1–0: buffers are aligned to and at least as large as 4 KiB (0). Bits 31–16: their largest size in pages.
        function::RXTX_MAP_32 | function::RXTX_MAP_64 => (V1_0, MAX_BUFFER_PAGES << 16),
        function::MEM_SHARE_32
        | function::MEM_SHARE_64
        | function::MEM_LEND_32
        | function::MEM_LEND_64
        | function::MEM_DONATE_32
        | function::MEM_DONATE_64
        | function::MEM_FRAG_RX
        | function::MEM_FRAG_TX
        | function::MEM_RETRIEVE_RESP
        | function::MEM_RECLAIM => (V1_0, 0),
        function::MEM_RETRIEVE_REQ_32 | function::MEM_RETRIEVE_REQ_64 => (V1_0, RETRIEVAL),
        function::MEM_RELINQUISH => partitions_only.map(|()| (V1_0, 0))?,
        function::RX_ACQUIRE
        | function::NOTIFICATION_BITMAP_CREATE
        | function::NOTIFICATION_BITMAP_DESTROY
        | function::NOTIFICATION_INFO_GET_32
        | function::NOTIFICATION_INFO_GET_64 => normal_world_only.map(|()| (V1_1, 0))?,
        function::NOTIFICATION_BIND | function::NOTIFICATION_UNBIND | function::NOTIFICATION_GET => {
            receivers_only.map(|()| (V1_1, 0))?
        }
        // w2: the interrupt's ID. The normal world has no partition manager here that could send it the first one.
        feature::NOTIFICATION_PENDING_INTERRUPT => {
            systems_only.and(receivers_only).map(|()| (V1_1, InterruptLine::NOTIFICATION.own_intid()))?
        }
        feature::MANAGED_EXIT_INTERRUPT => match caller {
            Caller::Partition { exits_managed: true, .. } => (V1_1, InterruptLine::MANAGED_EXIT.own_intid()),
            Caller::Partition { exits_managed: false, .. } | Caller::NormalWorld => return None,
        },
        feature::SCHEDULE_RECEIVER_INTERRUPT => normal_world_only.map(|()| (V1_1, SCHEDULE_RECEIVER_SGI))?,
        function::MSG_WAIT | function::YIELD | function::RESPONSE_32 | function::RESPONSE_64 => {
            partitions_only.map(|()| (V1_0, 0))?
        }
        function::RESPONSE2 => partitions_only.map(|()| (V1_2, 0))?,
        function::SECONDARY_EP_REGISTER_32 | function::SECONDARY_EP_REGISTER_64 => {
            systems_only.map(|()| (V1_1, 0))?
        }
        function::MEM_PERM_GET_32
        | function::MEM_PERM_GET_64
        | function::MEM_PERM_SET_32
        | function::MEM_PERM_SET_64 => applications_only.map(|()| (V1_1, 0))?,
        // Of FF-A 1.3, which spm does not speak: for those whose manifest has that version's word for it (§7.3).
        function::ABORT_32 | function::ABORT_64 => match caller {
            Caller::Partition { has_lifecycle: true, .. } => (V1_2, 0),
            Caller::Partition { has_lifecycle: false, .. } | Caller::NormalWorld => return None,
        },
        function::CONSOLE_LOG_32 | function::CONSOLE_LOG_64 => partitions_only.map(|()| (V1_2, 0))?,
        _ => return None,
    };
    Some(Offer { since, properties })
}

#[cfg(test)]
mod tests {
    use arm_ffa::FuncId;

    use super::*;

    const PARTITION: Caller = partition(true, false, ExceptionLevel::SEl1);
    const DEAF: Caller = partition(false, false, ExceptionLevel::SEl1);
    const APPLICATION: Caller = partition(true, false, ExceptionLevel::SEl0);

    const fn partition(receives_notifications: bool, exits_managed: bool, level: ExceptionLevel) -> Caller {
        Caller::Partition { receives_notifications, exits_managed, has_lifecycle: false, level }
    }

    #[test]
    fn managed_exit_is_told_of_to_whom_it_comes() {
        let exits = partition(false, true, ExceptionLevel::SEl1);
        assert_eq!(offer(3, exits), Some(Offer { since: V1_1, properties: 4 }));
        for other in [Caller::NormalWorld, PARTITION, DEAF, APPLICATION] {
            assert_eq!(offer(3, other), None);
        }
    }

    #[test]
    fn to_abort_is_for_those_whose_manifest_has_the_life_cycle() {
        for id in [0x8400_0090_u32, 0xc400_0090] {
            for level in [ExceptionLevel::SEl1, ExceptionLevel::SEl0] {
                let caller = |has_lifecycle| Caller::Partition {
                    receives_notifications: true,
                    exits_managed: false,
                    has_lifecycle,
                    level,
                };
                assert_eq!(offer(id, caller(true)), Some(Offer { since: V1_2, properties: 0 }));
                assert_eq!((offer(id, caller(false)), offer(id, Caller::NormalWorld)), (None, None));
            }
        }
    }

    #[test]
    fn what_is_not_offered_is_not_listed() {
        for absent in [0x8400_0088_u32, 3, 4, 0, u32::MAX] {
            assert_eq!(offer(absent, Caller::NormalWorld), None);
            assert_eq!(offer(absent, PARTITION), None);
        }
    }

    #[test]
    fn some_are_for_partitions_only() {
        for id in [0x8400_006b_u32, 0x8400_008a, 0xc400_0087] {
            assert_eq!(offer(id, Caller::NormalWorld), None);
            assert!(offer(id, PARTITION).is_some());
        }
    }

    #[test]
    fn each_is_there_since_the_version_that_defined_it() {
        let mut found = 0;
        for id in (0x8400_0060..0x8400_00a0).chain(0xc400_0060..0xc400_00a0) {
            let anybody =
                [PARTITION, APPLICATION, Caller::NormalWorld].into_iter().find_map(|it| offer(id, it));
            if let Some(offer) = anybody {
                assert_eq!(offer.since, FuncId::try_from(id).unwrap().minimum_ffa_version(), "{id:#x}");
                found += 1;
            }
        }
        assert_eq!(found, 53);
    }

    #[test]
    fn applications_have_permissions_and_no_stage_1() {
        for id in [0x8400_0088_u32, 0xc400_0088, 0x8400_0089, 0xc400_0089] {
            assert_eq!(offer(id, APPLICATION), Some(Offer { since: Version(1, 1), properties: 0 }));
            assert_eq!((offer(id, PARTITION), offer(id, Caller::NormalWorld)), (None, None));
        }
        // No entry point of further vCPUs, and no interrupt that would tell of a notification.
        for id in [0x8400_0087, 0xc400_0087, 1] {
            assert_eq!(offer(id, APPLICATION), None);
        }
        // All else is alike.
        for id in (0x8400_0060..0x8400_0087).chain(0xc400_0060..0xc400_0087).chain([0x8400_008a]) {
            assert_eq!(offer(id, APPLICATION), offer(id, PARTITION), "{id:#x}");
        }
    }

    #[test]
    fn notifications_are_for_those_who_take_part() {
        // FFA_NOTIFICATION_BITMAP_CREATE and _DESTROY, _INFO_GET: whoever schedules (table 10.4).
        for id in [0x8400_007d, 0x8400_007e, 0x8400_0083, 0xc400_0083] {
            assert!(offer(id, Caller::NormalWorld).is_some());
            assert_eq!((offer(id, PARTITION), offer(id, DEAF)), (None, None));
        }
        // _BIND, _UNBIND, _GET: receivers (§10.7, rule 5). Anybody may send.
        for id in [0x8400_007f, 0x8400_0080, 0x8400_0082] {
            assert!(offer(id, Caller::NormalWorld).is_some() && offer(id, PARTITION).is_some());
            assert_eq!(offer(id, DEAF), None);
        }
        assert!(offer(0x8400_0081, DEAF).is_some());
    }

    #[test]
    fn each_side_learns_its_interrupt() {
        // Table 10.3.
        let interrupt = |properties| Some(Offer { since: Version(1, 1), properties });
        assert_eq!(
            (offer(1, Caller::NormalWorld), offer(1, PARTITION), offer(1, DEAF)),
            (None, interrupt(5), None)
        );
        assert_eq!(
            (offer(2, Caller::NormalWorld), offer(2, PARTITION), offer(2, DEAF)),
            (interrupt(8), None, None)
        );
    }

    #[test]
    fn buffer_sizes_are_told() {
        assert_eq!(offer(0xc400_0066, Caller::NormalWorld).unwrap().properties, 16 << 16);
    }
}

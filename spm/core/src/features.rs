// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which functions there are, for whom and since which version: the one table that FFA_FEATURES answers from (FF-A 1.2
//! §13.3) and by which every other call is let through.

use arm_ffa::Version;

use crate::function;
use crate::mailbox::MAX_BUFFER_PAGES;

/// Who calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The normal world, through the SPMD.
    NormalWorld,
    /// A partition.
    Partition,
}

/// A function that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The version of FF-A that defined it first.
    pub since: Version,
    /// What FFA_FEATURES tells of it in w2.
    pub properties: u32,
}

const V1_0: Version = Version(1, 0);
const V1_1: Version = Version(1, 1);
const V1_2: Version = Version(1, 2);

/// Returns the function with this ID; nothing if it is not there for `caller`.
#[must_use]
pub fn offer(id: u32, caller: Caller) -> Option<Offer> {
    let (normal_world_only, partitions_only) = match caller {
        Caller::NormalWorld => (Some(()), None),
        Caller::Partition => (None, Some(())),
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
        function::SPM_ID_GET | function::MSG_SEND2 => (V1_1, 0),
        function::REQUEST2 => (V1_2, 0),
        function::RUN => (V1_0, 0),
        function::PARTITION_INFO_GET_REGS => (V1_2, 0),
        // Bits 1–0: buffers are aligned to and at least as large as 4 KiB (0). Bits 31–16: their largest size in pages.
        function::RXTX_MAP_32 | function::RXTX_MAP_64 => (V1_0, MAX_BUFFER_PAGES << 16),
        function::RX_ACQUIRE => normal_world_only.map(|()| (V1_1, 0))?,
        function::MSG_WAIT | function::YIELD | function::RESPONSE_32 | function::RESPONSE_64 => {
            partitions_only.map(|()| (V1_0, 0))?
        }
        function::RESPONSE2 => partitions_only.map(|()| (V1_2, 0))?,
        function::SECONDARY_EP_REGISTER_32 | function::SECONDARY_EP_REGISTER_64 => {
            partitions_only.map(|()| (V1_1, 0))?
        }
        function::CONSOLE_LOG_32 | function::CONSOLE_LOG_64 => partitions_only.map(|()| (V1_2, 0))?,
        _ => return None,
    };
    Some(Offer { since, properties })
}

#[cfg(test)]
mod tests {
    use arm_ffa::FuncId;

    use super::*;

    #[test]
    fn what_is_not_offered_is_not_listed() {
        for absent in [0x8400_0071_u32, 0x8400_007d, 1, 2, 3, 0, u32::MAX] {
            assert_eq!(offer(absent, Caller::NormalWorld), None);
            assert_eq!(offer(absent, Caller::Partition), None);
        }
    }

    #[test]
    fn some_are_for_partitions_only() {
        for id in [0x8400_006b_u32, 0x8400_008a, 0xc400_0087] {
            assert_eq!(offer(id, Caller::NormalWorld), None);
            assert!(offer(id, Caller::Partition).is_some());
        }
    }

    #[test]
    fn each_is_there_since_the_version_that_defined_it() {
        let mut found = 0;
        for id in (0x8400_0060..0x8400_00a0).chain(0xc400_0060..0xc400_00a0) {
            let anybody = offer(id, Caller::Partition).or_else(|| offer(id, Caller::NormalWorld));
            if let Some(offer) = anybody {
                assert_eq!(offer.since, FuncId::try_from(id).unwrap().minimum_ffa_version(), "{id:#x}");
                found += 1;
            }
        }
        assert_eq!(found, 28);
    }

    #[test]
    fn buffer_sizes_are_told() {
        assert_eq!(offer(0xc400_0066, Caller::NormalWorld).unwrap().properties, 16 << 16);
    }
}

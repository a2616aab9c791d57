// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_FEATURES: which interfaces a caller may use (FF-A 1.2 §13.3).

use arm_ffa::FuncId;

use crate::mailbox::MAX_BUFFER_PAGES;

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// The normal world, through the SPMD.
    NormalWorld,
    /// A partition.
    Partition,
}

/// Returns the interface properties, w2, of function or feature `id`; nothing if it is not there for `caller`.
#[must_use]
pub fn properties(id: u32, caller: Caller) -> Option<u32> {
    let function = FuncId::try_from(id).ok()?;
    let partitions_only = caller == Caller::Partition;
    match function {
        FuncId::Error32
        | FuncId::Success32
        | FuncId::Version
        | FuncId::Features
        | FuncId::RxRelease
        | FuncId::RxTxUnmap
        | FuncId::PartitionInfoGet
        | FuncId::IdGet
        | FuncId::SpmIdGet
        | FuncId::MsgSendDirectReq32
        | FuncId::MsgSendDirectReq64 => Some(0),
        // Bits 1–0: buffers are aligned to and at least as large as 4 KiB (0). Bits 31–16: their largest size in pages.
        FuncId::RxTxMap32 | FuncId::RxTxMap64 => Some(MAX_BUFFER_PAGES << 16),
        FuncId::MsgWait32
        | FuncId::MsgSendDirectResp32
        | FuncId::MsgSendDirectResp64
        | FuncId::SecondaryEpRegister32
        | FuncId::SecondaryEpRegister64
        | FuncId::ConsoleLog32
        | FuncId::ConsoleLog64 => partitions_only.then_some(0),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_offered_is_not_listed() {
        for absent in [0x8400_0071_u32, 0xc400_008d, 0x8400_006d, 0x8400_007d, 1, 2, 3, 0, u32::MAX] {
            assert_eq!(properties(absent, Caller::NormalWorld), None);
            assert_eq!(properties(absent, Caller::Partition), None);
        }
    }

    #[test]
    fn some_are_for_partitions_only() {
        for id in [0x8400_006b_u32, 0x8400_008a, 0xc400_0087] {
            assert_eq!(properties(id, Caller::NormalWorld), None);
            assert_eq!(properties(id, Caller::Partition), Some(0));
        }
    }

    #[test]
    fn buffer_sizes_are_told() {
        assert_eq!(properties(0xc400_0066, Caller::NormalWorld), Some(16 << 16));
    }
}

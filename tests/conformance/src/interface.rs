// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The interfaces of FF-A 1.2, and FFA_ABORT of 1.3, the rows of the matrix: their names, function IDs, first versions, and where they are
//! described. Chapters 11 to 18 are DEN0077A's; those of memory management are DEN0140's, the supplement.

use arm_ffa::{FuncId, Version};

macro_rules! interfaces {
    ($($name:ident = $text:literal, $minor:literal, $section:literal, [$($id:expr),*];)*) => {
        /// An interface.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Interface {
            $(#[doc = $text] $name,)*
        }

        impl Interface {
            /// All interfaces, in the order of their chapters.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// Returns the name in the specification.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }

            /// Returns the version of FF-A that defined it first.
            #[must_use]
            pub const fn since(self) -> Version {
                match self { $(Self::$name => Version(1, $minor),)* }
            }

            /// Returns the section that describes it.
            #[must_use]
            pub const fn section(self) -> &'static str {
                match self { $(Self::$name => $section,)* }
            }

            /// Returns its function IDs, those of 32-bit calls first; none for what is no function of its own.
            #[must_use]
            pub const fn ids(self) -> &'static [u32] {
                match self { $(Self::$name => &[$($id as u32),*],)* }
            }
        }
    };
}

interfaces! {
    AnyCall = "every call", 0, "11", [];
    Error = "FFA_ERROR", 0, "12.2", [FuncId::Error32];
    Success = "FFA_SUCCESS", 0, "12.3", [FuncId::Success32, FuncId::Success64];
    Version = "FFA_VERSION", 0, "13.2", [FuncId::Version];
    Features = "FFA_FEATURES", 0, "13.3", [FuncId::Features];
    RxAcquire = "FFA_RX_ACQUIRE", 1, "13.4", [FuncId::RxAcquire];
    RxRelease = "FFA_RX_RELEASE", 0, "13.5", [FuncId::RxRelease];
    RxTxMap = "FFA_RXTX_MAP", 0, "13.6", [FuncId::RxTxMap32, FuncId::RxTxMap64];
    RxTxUnmap = "FFA_RXTX_UNMAP", 0, "13.7", [FuncId::RxTxUnmap];
    PartitionInfoGet = "FFA_PARTITION_INFO_GET", 0, "13.8", [FuncId::PartitionInfoGet];
    PartitionInfoGetRegs = "FFA_PARTITION_INFO_GET_REGS", 2, "13.9", [FuncId::PartitionInfoGetRegs];
    IdGet = "FFA_ID_GET", 0, "13.10", [FuncId::IdGet];
    SpmIdGet = "FFA_SPM_ID_GET", 1, "13.11", [FuncId::SpmIdGet];
    ConsoleLog = "FFA_CONSOLE_LOG", 2, "13.12", [FuncId::ConsoleLog32, FuncId::ConsoleLog64];
    Abort = "FFA_ABORT", 3, "13.14", [0x8400_0090_u32, 0xc400_0090_u32];
    MsgWait = "FFA_MSG_WAIT", 0, "14.1", [FuncId::MsgWait32];
    Yield = "FFA_YIELD", 0, "14.2", [FuncId::Yield32];
    Run = "FFA_RUN", 0, "14.3", [FuncId::Run32];
    Interrupt = "FFA_INTERRUPT", 0, "14.4", [FuncId::Interrupt32];
    NormalWorldResume = "FFA_NORMAL_WORLD_RESUME", 0, "14.5", [FuncId::NormalWorldResume32];
    MsgSend2 = "FFA_MSG_SEND2", 1, "15.1", [FuncId::MsgSend2];
    DirectReq = "FFA_MSG_SEND_DIRECT_REQ", 0, "15.2", [FuncId::MsgSendDirectReq32, FuncId::MsgSendDirectReq64];
    DirectResp = "FFA_MSG_SEND_DIRECT_RESP", 0, "15.3", [FuncId::MsgSendDirectResp32, FuncId::MsgSendDirectResp64];
    DirectReq2 = "FFA_MSG_SEND_DIRECT_REQ2", 2, "15.4", [FuncId::MsgSendDirectReq64_2];
    DirectResp2 = "FFA_MSG_SEND_DIRECT_RESP2", 2, "15.5", [FuncId::MsgSendDirectResp64_2];
    NotificationBitmapCreate = "FFA_NOTIFICATION_BITMAP_CREATE", 1, "16.1", [FuncId::NotificationBitmapCreate];
    NotificationBitmapDestroy = "FFA_NOTIFICATION_BITMAP_DESTROY", 1, "16.2", [FuncId::NotificationBitmapDestroy];
    NotificationBind = "FFA_NOTIFICATION_BIND", 1, "16.3", [FuncId::NotificationBind];
    NotificationUnbind = "FFA_NOTIFICATION_UNBIND", 1, "16.4", [FuncId::NotificationUnbind];
    NotificationSet = "FFA_NOTIFICATION_SET", 1, "16.5", [FuncId::NotificationSet];
    NotificationGet = "FFA_NOTIFICATION_GET", 1, "16.6", [FuncId::NotificationGet];
    NotificationInfoGet = "FFA_NOTIFICATION_INFO_GET", 1, "16.11", [FuncId::NotificationInfoGet32, FuncId::NotificationInfoGet64];
    El3IntrHandle = "FFA_EL3_INTR_HANDLE", 2, "17.1", [FuncId::El3IntrHandle];
    SecondaryEpRegister = "FFA_SECONDARY_EP_REGISTER", 1, "18.2.2", [FuncId::SecondaryEpRegister32, FuncId::SecondaryEpRegister64];
    MsgSend = "FFA_MSG_SEND", 0, "18.4.1", [0x8400_006e_u32];
    MsgPoll = "FFA_MSG_POLL", 0, "18.4.2", [0x8400_006a_u32];
    MemDonate = "FFA_MEM_DONATE", 0, "DEN0140", [FuncId::MemDonate32, FuncId::MemDonate64];
    MemLend = "FFA_MEM_LEND", 0, "DEN0140", [FuncId::MemLend32, FuncId::MemLend64];
    MemShare = "FFA_MEM_SHARE", 0, "DEN0140", [FuncId::MemShare32, FuncId::MemShare64];
    MemRetrieveReq = "FFA_MEM_RETRIEVE_REQ", 0, "DEN0140", [FuncId::MemRetrieveReq32, FuncId::MemRetrieveReq64];
    MemRetrieveResp = "FFA_MEM_RETRIEVE_RESP", 0, "DEN0140", [FuncId::MemRetrieveResp];
    MemRelinquish = "FFA_MEM_RELINQUISH", 0, "DEN0140", [FuncId::MemRelinquish];
    MemReclaim = "FFA_MEM_RECLAIM", 0, "DEN0140", [FuncId::MemReclaim];
    MemPermGet = "FFA_MEM_PERM_GET", 1, "DEN0140", [FuncId::MemPermGet32, FuncId::MemPermGet64];
    MemPermSet = "FFA_MEM_PERM_SET", 1, "DEN0140", [FuncId::MemPermSet32, FuncId::MemPermSet64];
    MemFragRx = "FFA_MEM_FRAG_RX", 0, "DEN0140", [FuncId::MemFragRx];
    MemFragTx = "FFA_MEM_FRAG_TX", 0, "DEN0140", [FuncId::MemFragTx];
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Function IDs as numbers, for matching (FF-A 1.2 table 12.1; the values are `arm-ffa`'s).

use arm_ffa::FuncId;

macro_rules! functions {
    ($($name:ident = $id:ident;)*) => {$(
        #[doc = concat!("`", stringify!($id), "` of `arm-ffa`.")]
        pub const $name: u32 = FuncId::$id as u32;
    )*};
}

/// `FFA_ABORT` of FF-A 1.3 (table 13.73), which `arm-ffa` does not know, 32 bit.
pub const ABORT_32: u32 = 0x8400_0090;
/// The same, 64 bit.
pub const ABORT_64: u32 = 0xc400_0090;

functions! {
    CONSOLE_LOG_32 = ConsoleLog32;
    CONSOLE_LOG_64 = ConsoleLog64;
    EL3_INTR_HANDLE = El3IntrHandle;
    ERROR_32 = Error32;
    FEATURES = Features;
    ID_GET = IdGet;
    INTERRUPT = Interrupt32;
    MEM_DONATE_32 = MemDonate32;
    MEM_DONATE_64 = MemDonate64;
    MEM_FRAG_RX = MemFragRx;
    MEM_FRAG_TX = MemFragTx;
    MEM_LEND_32 = MemLend32;
    MEM_LEND_64 = MemLend64;
    MEM_PERM_GET_32 = MemPermGet32;
    MEM_PERM_GET_64 = MemPermGet64;
    MEM_PERM_SET_32 = MemPermSet32;
    MEM_PERM_SET_64 = MemPermSet64;
    MEM_RECLAIM = MemReclaim;
    MEM_RELINQUISH = MemRelinquish;
    MEM_RETRIEVE_REQ_32 = MemRetrieveReq32;
    MEM_RETRIEVE_REQ_64 = MemRetrieveReq64;
    MEM_RETRIEVE_RESP = MemRetrieveResp;
    MEM_SHARE_32 = MemShare32;
    MEM_SHARE_64 = MemShare64;
    MSG_SEND2 = MsgSend2;
    MSG_WAIT = MsgWait32;
    NORMAL_WORLD_RESUME = NormalWorldResume32;
    NOTIFICATION_BIND = NotificationBind;
    NOTIFICATION_BITMAP_CREATE = NotificationBitmapCreate;
    NOTIFICATION_BITMAP_DESTROY = NotificationBitmapDestroy;
    NOTIFICATION_GET = NotificationGet;
    NOTIFICATION_INFO_GET_32 = NotificationInfoGet32;
    NOTIFICATION_INFO_GET_64 = NotificationInfoGet64;
    NOTIFICATION_SET = NotificationSet;
    NOTIFICATION_UNBIND = NotificationUnbind;
    PARTITION_INFO_GET = PartitionInfoGet;
    PARTITION_INFO_GET_REGS = PartitionInfoGetRegs;
    REQUEST_32 = MsgSendDirectReq32;
    REQUEST_64 = MsgSendDirectReq64;
    REQUEST2 = MsgSendDirectReq64_2;
    RESPONSE_32 = MsgSendDirectResp32;
    RESPONSE_64 = MsgSendDirectResp64;
    RESPONSE2 = MsgSendDirectResp64_2;
    RUN = Run32;
    RXTX_MAP_32 = RxTxMap32;
    RXTX_MAP_64 = RxTxMap64;
    RXTX_UNMAP = RxTxUnmap;
    RX_ACQUIRE = RxAcquire;
    RX_RELEASE = RxRelease;
    SECONDARY_EP_REGISTER_32 = SecondaryEpRegister32;
    SECONDARY_EP_REGISTER_64 = SecondaryEpRegister64;
    SPM_ID_GET = SpmIdGet;
    SUCCESS_32 = Success32;
    SUCCESS_64 = Success64;
    VERSION = Version;
    YIELD = Yield32;
}

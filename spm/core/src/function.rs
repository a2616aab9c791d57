// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Function IDs as numbers, for matching (FF-A 1.2 table 12.1; the values are `arm-ffa`'s).

use arm_ffa::FuncId;

macro_rules! functions {
    ($($name:ident = $id:ident;)*) => {$(
        #[doc = concat!("`", stringify!($id), "` of `arm-ffa`.")]
        pub const $name: u32 = FuncId::$id as u32;
    )*};
}

functions! {
    CONSOLE_LOG_32 = ConsoleLog32;
    CONSOLE_LOG_64 = ConsoleLog64;
    EL3_INTR_HANDLE = El3IntrHandle;
    ERROR_32 = Error32;
    FEATURES = Features;
    ID_GET = IdGet;
    INTERRUPT = Interrupt32;
    MSG_WAIT = MsgWait32;
    NORMAL_WORLD_RESUME = NormalWorldResume32;
    PARTITION_INFO_GET = PartitionInfoGet;
    PARTITION_INFO_GET_REGS = PartitionInfoGetRegs;
    REQUEST_32 = MsgSendDirectReq32;
    REQUEST_64 = MsgSendDirectReq64;
    RESPONSE_32 = MsgSendDirectResp32;
    RESPONSE_64 = MsgSendDirectResp64;
    RXTX_MAP_32 = RxTxMap32;
    RXTX_MAP_64 = RxTxMap64;
    RXTX_UNMAP = RxTxUnmap;
    RX_RELEASE = RxRelease;
    SECONDARY_EP_REGISTER_32 = SecondaryEpRegister32;
    SECONDARY_EP_REGISTER_64 = SecondaryEpRegister64;
    SPM_ID_GET = SpmIdGet;
    SUCCESS_32 = Success32;
    SUCCESS_64 = Success64;
    VERSION = Version;
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From what `arm-ffa` finds wrong with a call to the FF-A status that the caller gets.
//!
//! The crate's own conversion recurses for ever on three of its errors, which a caller can provoke, so this one is used
//! everywhere.

use arm_ffa::{Error, FfaError};

/// Returns the status code for a call that could not be decoded.
#[must_use]
pub fn status_of(error: &Error) -> FfaError {
    match error {
        Error::UnrecognisedFunctionId(_)
        | Error::UnrecognisedFeatureId(_)
        | Error::InvalidVersionForFunctionId(..)
        | Error::InvalidRegisterCount { .. } => FfaError::NotSupported,
        Error::InvalidInformationTag(_) => FfaError::Retry,
        Error::UnrecognisedErrorCode(_)
        | Error::UnrecognisedFwkMsg(_)
        | Error::InvalidMsgWaitFlag(_)
        | Error::InvalidMsgSend2Flag(_)
        | Error::UnrecognisedVmAvailabilityStatus(_)
        | Error::UnrecognisedWarmBootType(_)
        | Error::InvalidVersion(_)
        | Error::InvalidVmId(_)
        | Error::InvalidSuccessArgsVariant
        | Error::InvalidCharacterCount(_)
        | Error::InvalidVersionQueryType(_)
        | Error::InvalidVersionFlags(_)
        | Error::MemoryManagementError(_)
        | Error::NotificationError(_)
        | Error::PartitionInfoError(_) => FfaError::InvalidParameters,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_errors_on_which_the_crate_recurses() {
        let errors = [
            Error::MemoryManagementError(arm_ffa::memory_management::Error::MalformedDescriptor),
            Error::NotificationError(arm_ffa::notification::Error::InvalidNotificationSetFlag(1)),
            Error::PartitionInfoError(arm_ffa::partition_info::Error::InvalidPartitionInfoGetFlag(2)),
        ];
        for error in errors {
            assert_eq!(status_of(&error), FfaError::InvalidParameters);
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A page of an area in which the service answers what is asked there.

use crate::iommu::{Iommu, IommuError};
use crate::ram::Ram;
use ffa_abi::{
    AreaHandle, CALL_ANSWER_BYTES, CALL_REQUEST_BYTES, Call, CallAnswer, CallRequest, Request, Response,
    Status,
};

/// Puts a request into the first page of an area, which is `memory`, and returns the answer.
///
/// # Errors
/// See [`IommuError`].
pub fn ask(
    iommu: Iommu,
    (memory, area): (&Ram, AreaHandle),
    request: CallRequest,
) -> Result<CallAnswer, IommuError> {
    let mut bytes = [0; CALL_REQUEST_BYTES];
    let length = request.encode(&mut bytes).unwrap_or(0);
    send(iommu, (memory, area), &bytes, u16::try_from(length).unwrap_or(u16::MAX))
}

/// Puts any bytes there, says that so many of them are a request, and returns the answer.
///
/// # Errors
/// See [`IommuError`].
pub fn send(
    iommu: Iommu,
    (memory, area): (&Ram, AreaHandle),
    bytes: &[u8; CALL_REQUEST_BYTES],
    length: u16,
) -> Result<CallAnswer, IommuError> {
    memory.write(0, bytes);
    let response = iommu.raw(Request::Call(Call { area, page: 0, bytes: length }).encode())?;
    let [x4, x5, x6, x7] = match response {
        Response { status: Status::Ok, values } => values,
        Response { status, .. } => return Err(IommuError::Status(status)),
    };
    let mut answer = [0; CALL_ANSWER_BYTES];
    memory.read(0, &mut answer);
    let length = usize::try_from(x4).unwrap_or(usize::MAX);
    let answer = answer.get(..length).and_then(CallAnswer::decode);
    answer.ok_or(IommuError::Malformed([0, x4, x5, x6, x7]))
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Requests to the iommu service: registers that a client has filled.

use ffa_abi::Request;

/// Reads any registers as a request; one that is accepted is packed into the same registers again.
pub fn target(data: &[u8]) {
    let mut registers = [0; 5];
    for (register, bytes) in registers.iter_mut().zip(data.chunks(8)) {
        let mut word = [0; 8];
        for (to, from) in word.iter_mut().zip(bytes) {
            *to = *from;
        }
        *register = u64::from_le_bytes(word);
    }
    if let Ok(request) = Request::decode(registers) {
        assert_eq!(request.encode(), registers, "{request:?}");
    }
}

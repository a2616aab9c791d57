// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Keys for pointer authentication (class 3). This image signs no pointers.
#![expect(unsafe_code, reason = "writes system registers")]

use super::access::{field, isar1, isar2, register_list};

// APIAKey, APIBKey, APDAKey, APDBKey, APGAKey, each Lo and Hi, by number: the names need FEAT_PAuth at assembly time.
register_list![
    ("s3_0_c2_c1_0", u64::MAX),
    ("s3_0_c2_c1_1", u64::MAX),
    ("s3_0_c2_c1_2", u64::MAX),
    ("s3_0_c2_c1_3", u64::MAX),
    ("s3_0_c2_c2_0", u64::MAX),
    ("s3_0_c2_c2_1", u64::MAX),
    ("s3_0_c2_c2_2", u64::MAX),
    ("s3_0_c2_c2_3", u64::MAX),
    ("s3_0_c2_c3_0", u64::MAX),
    ("s3_0_c2_c3_1", u64::MAX),
];

/// Fills the keys, if the core has any.
pub(super) fn poison(pattern: u64, values: &mut super::Values) -> bool {
    let isar1 = isar1();
    // APA, API; APA3 (Arm ARM, D24.2.76 and D24.2.77).
    let present = field(isar1, 4) != 0 || field(isar1, 8) != 0 || field(isar2(), 12) != 0;
    if present {
        write_all(pattern, values);
    }
    present
}

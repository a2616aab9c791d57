// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Finding the device that a stream belongs to, in as many steps as the number of devices has bits.

use crate::policy::{Device, MAX_DEVICES, Policy};
use heapless::Vec;

/// Places of devices in the policy, in the order of their SMMUs and first streams. Devices of a checked policy share no stream.
#[derive(Debug)]
pub(super) struct Streams(Vec<u8, MAX_DEVICES>);

const _: () = assert!(MAX_DEVICES <= u8::MAX as usize + 1);

impl Streams {
    /// Sorts the devices of a policy.
    pub(super) fn new(policy: &Policy) -> Self {
        let mut places: Vec<u8, MAX_DEVICES> = (0..=u8::MAX).take(policy.devices.len()).collect();
        places.sort_unstable_by_key(|place| policy.devices.get(usize::from(*place)).map(key));
        Self(places)
    }

    /// Finds the device that a stream behind an SMMU belongs to, with its place in the policy.
    pub(super) fn find<'p>(&self, policy: &'p Policy, smmu: u16, sid: u32) -> Option<(usize, &'p Device)> {
        let device = |place: &u8| policy.devices.get(usize::from(*place));
        let before = |place: &u8| device(place).is_some_and(|device| key(device) <= (smmu, sid));
        let last = self.0.partition_point(before).checked_sub(1)?;
        let place = self.0.get(last)?;
        let found = device(place).filter(|device| u16::from(device.smmu) == smmu && device.has_sid(sid))?;
        Some((usize::from(*place), found))
    }
}

fn key(device: &Device) -> (u16, u32) {
    (device.smmu.into(), device.first_sid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::service::tests::policy;
    use proptest::prelude::*;

    proptest! {
        /// What is found is what a look at each device finds.
        #[test]
        fn each_stream_has_its_device(
            order in Just((0..12u32).collect::<std::vec::Vec<_>>()).prop_shuffle(),
            counts in proptest::collection::vec(1u16..40, 12),
            asked in 0u32..600,
            smmu in 0u16..4,
        ) {
            let mut policy = policy();
            let pattern = policy.devices[0].clone();
            policy.devices.clear();
            for (place, count) in order.iter().zip(counts) {
                let device = Device { smmu: (place % 3) as u8, first_sid: place * 40, sids: count, ..pattern.clone() };
                policy.devices.push(device).unwrap();
            }
            let streams = Streams::new(&policy);
            prop_assert_eq!(streams.find(&policy, smmu, asked), policy.device(smmu, asked));
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! No bytes get past the digest, and none that do stop the service.

use super::*;
use crate::policy::{
    Device, Guard, Holders, HypRole, Interrupts, MAX_DEVICES, MAX_MANAGED, MAX_NAME, MAX_SMMUS,
    MAX_UNPROTECTED, Name, Power, Range, Smmu,
};
use proptest::{collection::vec, prelude::*};
use std::vec::Vec;

/// Builds the blob of a payload, with its digest.
fn blob(payload: &[u8]) -> (Vec<u8>, Digest) {
    let length = u32::try_from(payload.len()).unwrap().to_le_bytes();
    ([MAGIC.as_slice(), length.as_slice(), payload].concat(), digest(payload))
}

fn good() -> Vec<u8> {
    postcard::to_allocvec(&crate::policy::check::tests::good()).unwrap()
}

fn refusal(payload: &[u8]) -> BlobError {
    let (bytes, digest) = blob(payload);
    decode(&bytes, &digest).unwrap_err()
}

#[test]
fn a_good_blob_is_read_whatever_stands_behind() {
    let (mut bytes, digest) = blob(&good());
    assert_eq!(decode(&bytes, &digest), Ok(crate::policy::check::tests::good()));
    bytes.extend_from_slice(&[0xff; 100]);
    assert_eq!(decode(&bytes, &digest), Ok(crate::policy::check::tests::good()));
}

#[test]
fn magic() {
    let (mut bytes, digest) = blob(&good());
    bytes[3] ^= 1;
    assert_eq!(decode(&bytes, &digest), Err(BlobError::Magic));
    assert_eq!(decode(&bytes[..3], &digest), Err(BlobError::Magic));
}

#[test]
fn length() {
    let (mut bytes, digest) = blob(&good());
    assert_eq!(decode(&bytes[..6], &digest), Err(BlobError::Length(0)));
    let size = u32::try_from(good().len()).unwrap();
    assert_eq!(decode(&bytes[..bytes.len() - 1], &digest), Err(BlobError::Length(size)));
    bytes[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
    assert_eq!(decode(&bytes, &digest), Err(BlobError::Length(u32::MAX)));
}

#[test]
fn the_digest_is_compared_first() {
    let (bytes, mut digest) = blob(b"no policy at all");
    digest[31] ^= 0x80;
    assert_eq!(decode(&bytes, &digest), Err(BlobError::Digest));
}

#[test]
fn version_and_encoding() {
    assert_eq!(refusal(&[]), BlobError::Encoding);
    assert_eq!(refusal(&[FORMAT_VERSION + 1]), BlobError::Version(FORMAT_VERSION + 1));
    assert_eq!(refusal(&[FORMAT_VERSION]), BlobError::Encoding);
    let mut longer = good();
    longer.push(0);
    assert_eq!(refusal(&longer), BlobError::Encoding);
}

#[test]
fn contradictions_are_passed_on() {
    let mut policy = crate::policy::check::tests::good();
    policy.smmus.clear();
    let payload = postcard::to_allocvec(&policy).unwrap();
    assert_eq!(refusal(&payload), BlobError::Policy(PolicyError::NoSmmu));
}

/// The policy that fills every list and every number still fits what an image reserves.
#[test]
fn the_largest_policy_fits() {
    let name = Name::try_from("x".repeat(MAX_NAME).as_str()).unwrap();
    let range = Range { base: u64::MAX, size: u64::MAX };
    let device = Device {
        name: name.clone(),
        smmu: u8::MAX,
        first_sid: u32::MAX,
        sids: u16::MAX,
        holders: Holders { host: true, hyp: true, guests: true },
        iova: range,
        identity: true,
        nested: true,
    };
    let interrupts = Some(Interrupts { event: u32::MAX, error: u32::MAX });
    let power = Power::ResumesSecure;
    let smmu = Smmu { name: name.clone(), frame: range, resets_to_bypass: true, interrupts, power };
    let policy = Policy {
        version: FORMAT_VERSION,
        guard: Guard::BusFilter,
        hyp: HypRole::Required,
        managed: vec![range; MAX_MANAGED].into_iter().collect(),
        accounts: Some(range),
        pool: range,
        smmus: vec![smmu; MAX_SMMUS].into_iter().collect(),
        devices: vec![device; MAX_DEVICES].into_iter().collect(),
        unprotected: vec![name; MAX_UNPROTECTED].into_iter().collect(),
        fault_rate: u32::MAX,
    };
    assert!(HEADER_SIZE + postcard::to_allocvec(&policy).unwrap().len() <= MAX_BLOB_SIZE);
}

fn any_range() -> impl Strategy<Value = Range> {
    let pages = |range: (u64, u64)| Range { base: range.0 << 12, size: range.1 << 12 };
    let whole = (0..1_u64 << 40, 0..1_u64 << 16).prop_map(pages);
    prop_oneof![4 => whole, 1 => any::<(u64, u64)>().prop_map(|(base, size)| Range { base, size })]
}

fn any_name() -> impl Strategy<Value = Name> {
    "[a-z0-9]{0,16}".prop_map(|text| Name::try_from(text.as_str()).unwrap())
}

fn any_device() -> impl Strategy<Value = Device> {
    let holders = any::<(bool, bool, bool)>().prop_map(|(host, hyp, guests)| Holders { host, hyp, guests });
    (any_name(), 0..3_u8, 0..0x20_0000_u32, any::<u16>(), holders, any_range()).prop_map(
        |(name, smmu, first_sid, sids, holders, iova)| Device {
            name,
            smmu,
            first_sid,
            sids,
            holders,
            iova,
            identity: holders.host && first_sid % 2 == 0,
            nested: holders.host && first_sid % 3 == 0,
        },
    )
}

fn any_policy() -> impl Strategy<Value = Policy> {
    let wires = any::<(u32, u32)>().prop_map(|(event, error)| Interrupts { event, error });
    let power = prop_oneof![Just(Power::MayGo), Just(Power::AlwaysOn), Just(Power::ResumesSecure)];
    let smmu = (any_name(), any_range(), any::<bool>(), proptest::option::of(wires), power).prop_map(
        |(name, frame, resets_to_bypass, interrupts, power)| Smmu {
            name,
            frame,
            resets_to_bypass,
            interrupts,
            power,
        },
    );
    let guard = prop_oneof![Just(Guard::Nobody), Just(Guard::El2), Just(Guard::BusFilter)];
    let hyp = prop_oneof![Just(HypRole::Absent), Just(HypRole::Required)];
    (
        guard,
        hyp,
        vec(any_range(), 0..=MAX_MANAGED),
        prop::option::of(any_range()),
        any_range(),
        vec(smmu, 0..=MAX_SMMUS),
        vec(any_device(), 0..=MAX_DEVICES),
        vec(any_name(), 0..=MAX_UNPROTECTED),
        any::<u32>(),
    )
        .prop_map(|(guard, hyp, managed, accounts, pool, smmus, devices, unprotected, fault_rate)| {
            Policy {
                version: FORMAT_VERSION,
                guard,
                hyp,
                managed: managed.into_iter().collect(),
                accounts,
                pool,
                smmus: smmus.into_iter().collect(),
                devices: devices.into_iter().collect(),
                unprotected: unprotected.into_iter().collect(),
                fault_rate,
            }
        })
}

/// A policy in which only streams may be wrong.
fn likely_policy() -> impl Strategy<Value = Policy> {
    vec((0..2_u8, 0..200_u32, 1..4_u16), 0..12).prop_map(|devices| {
        let mut policy = crate::policy::check::tests::good();
        let like = policy.devices[0].clone();
        let device = |(place, (smmu, first_sid, sids)): (usize, (u8, u32, u16))| Device {
            name: Name::try_from(format!("device{place}").as_str()).unwrap(),
            smmu,
            first_sid,
            sids,
            ..like.clone()
        };
        policy.devices = devices.into_iter().enumerate().map(device).collect();
        policy
    })
}

proptest! {
    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300), digest: Digest) {
        prop_assert!(decode(&bytes, &digest).is_err());
    }

    #[test]
    fn any_payload(mut payload in vec(any::<u8>(), 1..300)) {
        payload[0] = FORMAT_VERSION;
        let (bytes, digest) = blob(&payload);
        if let Ok(policy) = decode(&bytes, &digest) {
            prop_assert_eq!(policy.check(), Ok(()));
        }
    }

    /// Damages a payload whose digest is right all the same, as a compiler with an error would.
    #[test]
    fn damaged_payload(changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..4)) {
        let mut payload = good();
        for (place, value) in changes {
            let place = place.index(payload.len());
            payload[place] = value;
        }
        let (bytes, digest) = blob(&payload);
        if let Ok(policy) = decode(&bytes, &digest) {
            prop_assert_eq!(policy.check(), Ok(()));
        }
    }

    /// What is written reads back, or is refused for what it says and not for how it is written.
    #[test]
    fn round_trip(policy in any_policy()) {
        let (bytes, digest) = blob(&postcard::to_allocvec(&policy).unwrap());
        match policy.check() {
            Ok(()) => prop_assert_eq!(decode(&bytes, &digest), Ok(policy)),
            Err(error) => prop_assert_eq!(decode(&bytes, &digest), Err(BlobError::Policy(error))),
        }
    }

    /// An accepted policy has no stream with two owners.
    #[test]
    fn accepted_policies_are_sound(policy in likely_policy()) {
        let accepted = policy.check();
        let mut streams: Vec<_> = policy
            .devices
            .iter()
            .flat_map(|device| (0..u32::from(device.sids)).map(|sid| (device.smmu, device.first_sid + sid)))
            .collect();
        let count = streams.len();
        streams.sort_unstable();
        streams.dedup();
        match accepted {
            Ok(()) => prop_assert_eq!(streams.len(), count),
            Err(PolicyError::SharedSid(..)) => prop_assert!(streams.len() < count),
            Err(error) => prop_assert!(false, "{}", error),
        }
    }
}

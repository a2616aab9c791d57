// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Descriptors and registers that are damaged at random: nothing panics, what is refused changes nothing, and whatever is taken,
//! nobody reaches memory of the normal world's or of others but by retrieving it.

use proptest::prelude::*;

use super::*;

/// Where a sound descriptor is damaged, and by what.
type Damage = Vec<(usize, u8)>;

fn damage() -> impl Strategy<Value = Damage> {
    proptest::collection::vec((0_usize..160, any::<u8>()), 0..6)
}

fn damaged(mut bytes: Vec<u8>, damage: &Damage, length: usize) -> Vec<u8> {
    for &(place, value) in damage {
        if let Some(byte) = bytes.get_mut(place) {
            *byte = value;
        }
    }
    bytes.resize(length, 0x11);
    bytes
}

/// Who reaches what that is not its own from the boot on.
fn borrowed(bench: &Bench) -> Vec<(usize, bool, u64)> {
    let its_own = |place: usize, address: u64| {
        let mut regions = regions(place).into_iter().map(|region| region.range).chain([own(place)]);
        regions.any(|range| range.contains_address(address))
    };
    bench.pages(|pages| {
        let pages = pages.mapped.keys().copied();
        pages.filter(|&(place, _, address)| !its_own(place, address)).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 1 } else { 300 }))]
    #[test]
    fn damaged_descriptors_are_refused_whole(
        version in 0_u16..3,
        steps in proptest::collection::vec(
            (0_usize..4, 0_usize..6, damage(), 0_usize..200, any::<[u32; 2]>(), any::<bool>()), 1..12,
        ),
    ) {
        let bench = Bench::with(Version(1, version), 1);
        let format = Format::of(Version(1, version));
        let mut handles = vec![0_u64];
        for (who, call, damage, length, [lengths, word], cut) in steps {
            let who = if who == 3 { Who::Normal } else { Who::Sp(who) };
            let handle = handles[word as usize % handles.len()];
            let sender = if who == Who::Normal { 0 } else { A };
            let ranges = if who == Who::Normal { [(RAM, 2), (RAM + 0x4000, 1)] } else { [(page(0, 0), 1), (page(0, 3), 2)] };
            let (function, message) = match call {
                0 => (SHARE, Message::new(sender, &[(B, WRITE), (C, READ)], &ranges)),
                1 => (LEND, Message::new(sender, &[(B, READ)], &ranges)),
                2 => (DONATE, Message::new(sender, &[(C, 0)], &ranges)),
                3 => (FRAG_TX, Message::new(sender, &[(B, READ)], &ranges)),
                4 => (RELINQUISH, Message::new(sender, &[(B, READ)], &ranges)),
                _ => (RETRIEVE, Bench::request(sender, handle, &[(B, 0)])),
            };
            let bytes = Message { format, ..message }.bytes();
            let length = if cut { length } else { bytes.len() };
            bench.fill(who, damaged(bytes, &damage, length));
            let (first, second) = if cut { (u64::from(lengths) % 300, length as u64) } else { (length as u64, length as u64) };
            let registers = match function {
                FRAG_TX => [function, handle & 0xffff_ffff, handle >> 32, length as u64],
                _ => [function, first, second, 0],
            };
            let (before, reached) = (bench.snapshot(), borrowed(&bench));
            let answer = bench.call(who, &registers);
            match answer[0] {
                ERROR => prop_assert_eq!(bench.snapshot(), before),
                RESPONSE => {
                    bench.call(who, &[0x8400_0065]);
                }
                SUCCESS => {
                    let brought = borrowed(&bench).into_iter().find(|page| !reached.contains(page));
                    prop_assert_eq!(brought, None, "only retrieving brings memory");
                    handles.push(answer[2] | answer[3] << 32);
                }
                _ => handles.push(answer[1] | answer[2] << 32),
            }
        }
    }
}

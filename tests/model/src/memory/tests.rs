// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What SMMUs see of cores' writes, and when.

use super::*;

fn memory() -> Memory {
    let words: &'static [Word] = (0..1024).map(|_| Word::new(0)).collect::<Vec<_>>().leak();
    let pool = Region { base: 0x9000_0000, size: 0x2000, place: Place::Pool };
    Memory::new(vec![pool], 0x9000_0000, words)
}

#[test]
fn writes_are_seen_at_a_barrier_and_perhaps_before() {
    let mut memory = memory();
    let mut random = Random::new(1);
    memory.stored(0, 3, 7, Ordering::Relaxed, &mut random);
    assert_eq!(memory.read(0x9000_0018), Ok(0));
    memory.publish(1);
    assert_eq!(memory.read(0x9000_0018), Ok(0));
    memory.loaded(0, 3);
    assert_eq!(memory.read(0x9000_0018), Ok(0));
    memory.loaded(1, 3);
    assert_eq!(memory.read(0x9000_0018), Ok(7));
}

#[test]
fn what_was_written_before_an_answer_is_seen_by_who_takes_the_lock() {
    let mut memory = memory();
    let mut random = Random::new(1);
    memory.stored(0, 3, 7, Ordering::Relaxed, &mut random);
    memory.begun(1);
    assert_eq!(memory.read(0x9000_0018), Ok(0));
    memory.answered(0);
    memory.begun(0);
    assert_eq!(memory.read(0x9000_0018), Ok(0));
    memory.begun(1);
    assert_eq!(memory.read(0x9000_0018), Ok(7));
}

#[test]
fn what_was_written_first_is_not_seen_last() {
    let mut memory = memory();
    let mut random = Random::new(1);
    memory.stored(0, 3, 7, Ordering::Relaxed, &mut random);
    memory.stored(1, 3, 8, Ordering::Relaxed, &mut random);
    memory.stored(2, 3, 9, Ordering::Relaxed, &mut random);
    memory.publish(1);
    assert_eq!(memory.read(0x9000_0018), Ok(8));
    memory.publish(0);
    assert_eq!(memory.read(0x9000_0018), Ok(8));
    memory.loaded(3, 3);
    assert_eq!(memory.read(0x9000_0018), Ok(9));
}

#[test]
fn what_is_released_comes_after_what_was_written_before() {
    for seed in 0..200 {
        let mut memory = memory();
        let mut random = Random::new(seed);
        memory.stored(0, 0, 1, Ordering::Relaxed, &mut random);
        memory.stored(0, 1, 1, Ordering::Relaxed, &mut random);
        memory.stored(0, 2, 1, Ordering::Release, &mut random);
        for _ in 0..3 {
            memory.show_one(&mut random);
            let [a, b, c] = [0, 8, 16].map(|offset| memory.read(0x9000_0000 + offset).unwrap());
            assert!(c == 0 || (a, b) == (1, 1));
        }
    }
}

#[test]
fn only_the_pool_answers() {
    let mut memory = memory();
    assert_eq!(memory.read(0x8fff_fff8), Err(Aborted));
    assert_eq!(memory.write(0x9000_2000, 1), Err(Aborted));
    assert_eq!(memory.place(0x9000_1fff), Place::Pool);
    assert_eq!(memory.place(0x9000_2000), Place::Hole);
    assert_eq!(memory.index(&memory.words[5]), Some(5));
    assert_eq!(memory.index(&Word::new(0)), None);
}

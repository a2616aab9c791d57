// SPDX-License-Identifier: Apache-2.0 OR MIT
//! FFA_PARTITION_INFO_GET of two partitions into the receive buffer, and FFA_RX_RELEASE.
//!
//! The client speaks FF-A 1.2. Its descriptors are those of 1.1: 24 bytes (DEN0077A 1.2, table 6.1).

use super::{ROUNDS, clock::Clock, succeed};
use crate::{ensure, report, scenario::Failure, world::World};
use arm_ffa::FuncId;
use nwd::{ffa, ram::Ram};

/// Bytes of a descriptor since FF-A 1.1.
const DESCRIPTOR: u64 = 24;

pub(super) fn count(world: &World, clock: &Clock) -> Result<(), Failure> {
    let pages = ffa::BUFFER_SIZE as u64;
    let receive = world.machine.scratch().part(0, pages);
    ffa::rxtx_map(&receive, &world.machine.scratch().part(pages, pages))?;
    let counted = rounds(clock, &receive);
    ffa::rxtx_unmap()?;
    counted
}

fn rounds(clock: &Clock, receive: &Ram) -> Result<(), Failure> {
    // UUID nil, flags 0: descriptors of all.
    let get = [u64::from(u32::from(FuncId::PartitionInfoGet)), 0, 0, 0, 0, 0, 0, 0];
    let release = [u64::from(u32::from(FuncId::RxRelease)), 0, 0, 0, 0, 0, 0, 0];
    let (mut getting, mut releasing) = (0_u64, 0_u64);
    for _ in 0..ROUNDS {
        receive.write(0, &[0; 48]);
        let mut registers = get;
        getting = getting.saturating_add(succeed(clock, "partition_info_get_2", &mut registers)?);
        let [_, _, count, size, ..] = registers;
        ensure!(count == 2 && size == DESCRIPTOR, "partition_info_get_2: {count} of {size} bytes");
        let ids = [0, DESCRIPTOR].map(|place| receive.word(place) & 0xffff);
        ensure!(ids == [0x8001, 0x8002], "partition_info_get_2: partitions {ids:x?}");
        releasing = releasing.saturating_add(succeed(clock, "rx_release", &mut { release })?);
    }
    report::bench("partition_info_get_2", clock.instructions(getting, ROUNDS));
    report::bench("rx_release", clock.instructions(releasing, ROUNDS));
    Ok(())
}

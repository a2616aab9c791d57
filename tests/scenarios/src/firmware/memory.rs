// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory that is shared, lent and donated (DEN 0140): who reaches it when, and what nobody can send.

use super::{command, messages::test_sp};
use crate::{
    ensure,
    platform::{self, SECURE_RAM, SMMU_FRAME},
    scenario::{Audience::Test, Failure, Outcome, Scenario},
    seen,
    world::{PAGE, World},
};
use arm_ffa::{FfaError, FuncId};
use nwd::{
    ffa::{self, CallError},
    memory::{self, READ_ONLY, READ_WRITE},
    ram::Ram,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "memory-shared",
        claim: "A page that is shared with a partition is reached by both, until the partition gives it back",
        expected: "each reads what the other wrote; reclaiming DENIED meanwhile, done after, and not twice",
        audience: Test,
        cores: 1,
        run: shared,
    },
    Scenario {
        name: "memory-lent-in-pieces",
        claim: "200 pages here and there go to a partition and back, and a hypervisor can ask which they were",
        expected: "the first and the last page reached; the whole descriptor told by its handle alone",
        audience: Test,
        cores: 1,
        run: pieces,
    },
    Scenario {
        name: "memory-refused",
        claim: "Nobody sends what is not its own, or what is sent already, or more than once at a time",
        expected: "secure RAM, the service's pool, registers, a hole, buffers and pages in use refused, each by its status",
        audience: Test,
        cores: 1,
        run: refused,
    },
    Scenario {
        name: "memory-zeroed",
        claim: "Zeros can be asked for anywhere and as often as one likes: that uses up nothing of the firmware's",
        expected: "a page in each of 100 areas of 2 MiB, and one over a boundary, comes back as zeros",
        audience: Test,
        cores: 1,
        run: zeroed,
    },
    Scenario {
        name: "memory-of-a-partition",
        claim: "A partition's own page leaves it for another partition, and comes back as it was; to nobody else",
        expected: "shared and lent to the service and reclaimed with its contents; to the normal world DENIED",
        audience: Test,
        cores: 1,
        run: own,
    },
];

/// The functions that send.
const KINDS: [FuncId; 3] = [FuncId::MemShare32, FuncId::MemLend32, FuncId::MemDonate32];

/// Runs `work` with buffers for messages: the receive and the send buffer.
pub(crate) fn with_buffers<R>(
    world: &World,
    work: impl FnOnce(&Ram, &Ram) -> Result<R, Failure>,
) -> Result<R, Failure> {
    let (receive, transmit) = (world.page(100), world.page(101));
    ffa::rxtx_map(&receive, &transmit)?;
    let result = work(&receive, &transmit);
    ffa::rxtx_unmap()?;
    result
}

/// Asks the partition for tests, whose first word has to be a status of 0.
pub(crate) fn ask(to: u16, message: [u64; 5]) -> Result<[u64; 4], Failure> {
    let [status, a, b, c, d] = ffa::direct(to, message)?;
    ensure!(status == 0, "command {}: status {}", message[0], status.cast_signed());
    Ok([a, b, c, d])
}

/// Lets the partition read a word of non-secure RAM.
fn read(to: u16, address: u64) -> Result<u64, Failure> {
    ask(to, [command::READ, address, 0, NON_SECURE_RAM, 0]).map(|[value, ..]| value)
}

/// Which memory test-sp's command accesses.
pub(crate) const NON_SECURE_RAM: u64 = 2;
/// test-sp's word for a write.
pub(crate) const WRITE: u64 = 1;
/// Attributes of a retrieve response (DEN 0140 table 1.18): normal, write-back, inner shareable, non-secure.
const ATTRIBUTES: u64 = 0x6f;
/// Permissions in it (table 1.15): not executable.
const NEVER_EXECUTED: u64 = 0b0100;

fn shared(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let page = world.page(102);
    let (address, word) = (page.address().0, world.random.word());
    page.write(0, &word.to_le_bytes());
    with_buffers(world, |_, transmit| {
        let handle = memory::send(transmit, FuncId::MemShare32, &[(to, READ_WRITE)], &[(address, 1)])?;
        let [_, first, pages, access] = ask(to, [command::RETRIEVE, handle, 0, 0, 0])?;
        let expected = ATTRIBUTES | (u64::from(READ_WRITE) | NEVER_EXECUTED) << 16;
        ensure!((first, pages, access) == (address, 1, expected), "{first:#x} {pages} {access:#x}");
        let seen = read(to, address)?;
        ensure!(seen == word, "the partition reads {seen:#x}, not {word:#x}");
        ask(to, [command::READ, address + 8, WRITE, NON_SECURE_RAM, 0])?;
        ensure!(page.word(8) == address + 8, "what the partition wrote: {:#x}", page.word(8));
        let early = memory::reclaim(handle);
        ensure!(early == Err(CallError::Ffa(FfaError::Denied)), "reclaimed while borrowed: {early:?}");
        ask(to, [command::RELINQUISH, handle, 0, 0, 0])?;
        let [again, ..] = ffa::direct(to, [command::RELINQUISH, handle, 0, 0, 0])?;
        ensure!(again != 0, "relinquished twice");
        memory::reclaim(handle)?;
        let twice = memory::reclaim(handle);
        ensure!(twice == Err(CallError::Ffa(FfaError::InvalidParameters)), "reclaimed twice: {twice:?}");
        Ok(())
    })?;
    seen!("both read what the other wrote; reclaimed once, after the partition gave it back")
}

/// Every second page of a part of scratch memory.
fn scattered(world: &World) -> impl Iterator<Item = (u64, u32)> {
    let first = world.page(200).address().0;
    (0..PIECES).map(move |index| (first + 2 * index * PAGE, 1))
}

const PIECES: u64 = 200;

fn pieces(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let first = world.page(200);
    let last = world.page(200 + 2 * (PIECES - 1));
    for page in [&first, &last] {
        page.write(0, &page.address().0.to_le_bytes());
    }
    let length = with_buffers(world, |receive, transmit| {
        let receivers = [(to, READ_ONLY), (world.iommu.partition(), READ_WRITE)];
        let length = memory::describe(transmit, &receivers, scattered(world));
        let handle = memory::handle(&ffa::registers(memory::send_call(FuncId::MemLend32, length)))?;
        described(receive, transmit, handle, length)?;
        let alone = ffa::direct(to, [command::RETRIEVE, handle, 0, 0, 0])?;
        ensure!(alone[0] == NOT_ALL, "without the other borrower: {alone:x?}");
        memory::reclaim(handle)?;
        let length = memory::describe(transmit, &[(to, READ_ONLY)], scattered(world));
        let handle = memory::handle(&ffa::registers(memory::send_call(FuncId::MemLend32, length)))?;
        let [_, start, pages, _] = ask(to, [command::RETRIEVE, handle, 0, 0, 0])?;
        ensure!((start, pages) == (first.address().0, PIECES), "{start:#x}, {pages} pages");
        for page in [&first, &last] {
            let word = read(to, page.address().0)?;
            ensure!(word == page.address().0, "{:#x} holds {word:#x}", page.address().0);
        }
        ask(to, [command::RELINQUISH, handle, 0, 0, 0])?;
        memory::reclaim(handle)?;
        Ok(length)
    })?;
    seen!("{PIECES} pages by a descriptor of {length} bytes, told again by its handle")
}

/// INVALID_PARAMETERS, as test-sp passes it on.
const NOT_ALL: u64 = (-2_i64).cast_unsigned();

/// Asks for a descriptor as a hypervisor does, and compares it with what was sent.
fn described(receive: &Ram, transmit: &Ram, handle: u64, length: u64) -> Result<(), Failure> {
    let mut sent = [0; 4096];
    transmit.read(0, &mut sent);
    let mut request = [0; 48];
    let (_, rest) = request.split_at_mut(8);
    if let Some(field) = rest.first_chunk_mut() {
        *field = handle.to_le_bytes();
    }
    transmit.write(0, &request);
    let mut call = [0; 18];
    (call[0], call[1], call[2]) = (u64::from(u32::from(FuncId::MemRetrieveReq32)), 48, 48);
    let answer = ffa::registers(call);
    let expected = (u64::from(u32::from(FuncId::MemRetrieveResp)), length, length);
    ensure!((answer[0], answer[1], answer[2]) == expected, "the descriptor: {answer:x?}");
    let mut told = [0; 4096];
    receive.read(0, &mut told);
    ffa::rx_release()?;
    // Bytes 4 to 15 are flags and handle, which the sender leaves to the SPMC.
    for (offset, (told, sent)) in told.iter().zip(sent).enumerate() {
        let spmcs = (4..16).contains(&offset) || offset as u64 >= length;
        ensure!(spmcs || *told == sent, "byte {offset}: {told:#x}, {sent:#x} was sent");
    }
    Ok(())
}

/// First address and number of pages.
type Range = (u64, u32);

fn refused(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let page = world.page(104).address().0;
    let pool = platform::pool().address().0;
    let (receive, send) = (world.page(100).address().0, world.page(101).address().0);
    let denied = CallError::Ffa(FfaError::Denied);
    let invalid = CallError::Ffa(FfaError::InvalidParameters);
    let cases: [(&str, &[Range], CallError); 11] = [
        ("secure RAM", &[(page, 1), (SECURE_RAM.0, 1)], denied),
        ("the service's pool", &[(pool, 1)], denied),
        ("the last page before the pool, and the first in it", &[(pool - PAGE, 2)], denied),
        ("the SMMU's registers", &[(SMMU_FRAME.0, 1)], denied),
        ("a hole", &[(platform::HOLE.0, 1)], denied),
        ("the receive buffer", &[(receive, 1)], denied),
        ("the send buffer", &[(page, 1), (send, 1)], denied),
        ("a page twice", &[(page, 1), (page, 1)], invalid),
        ("no pages", &[(page, 0)], invalid),
        ("half a page", &[(page + 0x800, 1)], invalid),
        ("addresses that wrap", &[(!0xfff, 1)], invalid),
    ];
    with_buffers(world, |_, transmit| {
        for kind in KINDS {
            let access = if kind == FuncId::MemDonate32 { 0 } else { READ_WRITE };
            for (what, ranges, status) in &cases {
                let sent = memory::send(transmit, kind, &[(to, access)], ranges);
                ensure!(sent == Err(*status), "{kind:?}, {what}: {sent:x?}");
            }
            let handle = memory::send(transmit, kind, &[(to, access)], &[(page, 2)])?;
            for again in KINDS {
                let access = if again == FuncId::MemDonate32 { 0 } else { READ_WRITE };
                let sent = memory::send(transmit, again, &[(to, access)], &[(page + PAGE, 1)]);
                ensure!(sent == Err(denied), "{kind:?}, then {again:?}: {sent:x?}");
            }
            memory::reclaim(handle)?;
        }
        let nobody = memory::send(transmit, FuncId::MemShare32, &[(0x8fff, READ_WRITE)], &[(page, 1)]);
        ensure!(nobody == Err(invalid), "to nobody: {nobody:x?}");
        Ok(())
    })?;
    seen!("{} cases of three kinds each", cases.len() + KINDS.len())
}

/// Bytes that one translation table of pages maps.
const AREA: u64 = 1 << 21;
const AREAS: u64 = 100;

fn zeroed(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let scratch = world.machine.scratch();
    let areas = (1..=AREAS).map(|area| (area * AREA + 0x5000, 1)).chain([(AREA - PAGE, 2)]);
    with_buffers(world, |_, transmit| {
        for (offset, pages) in areas {
            let memory = scratch.part(offset, u64::from(pages) * PAGE);
            let words = || (0..memory.size()).step_by(8);
            words().for_each(|at| memory.write(at, &[0xa5; 8]));
            let range = (memory.address().0, pages);
            let handle = memory::send(transmit, FuncId::MemLend32, &[(to, READ_WRITE)], &[range])?;
            memory::reclaim_zeroed(handle)?;
            let left = words().find(|at| memory.word(*at) != 0);
            ensure!(left.is_none(), "{:#x}: not zero at {left:x?}", memory.address().0);
        }
        Ok(())
    })?;
    seen!("zeros in {AREAS} areas and over a boundary")
}

fn own(world: &mut World) -> Outcome {
    let to = test_sp(world)?;
    let service = u64::from(world.iommu.partition());
    for kind in [FuncId::MemShare32, FuncId::MemLend32, FuncId::MemDonate32] {
        let (function, word) = (u64::from(u32::from(kind)), world.random.word());
        let [handle, ..] = ask(to, [command::SEND, function, service, word, 0])?;
        let theft = memory::reclaim(handle);
        ensure!(theft == Err(CallError::Ffa(FfaError::InvalidParameters)), "reclaimed by us: {theft:?}");
        let [seen, ..] = ask(to, [command::RECLAIM, handle, 0, 0, 0])?;
        ensure!(seen == word, "{kind:?}: {seen:#x} came back for {word:#x}");
        let [status, ..] = ffa::direct(to, [command::SEND, function, u64::from(ffa::SELF), word, 0])?;
        ensure!(status == (-6_i64).cast_unsigned(), "{kind:?} to us: {}", status.cast_signed());
    }
    // Nobody can guess another's handle into anything.
    let [status, ..] = ffa::direct(to, [command::RETRIEVE, 0x100, 0, 0, 0])?;
    ensure!(status == NOT_ALL, "a handle that is none: {}", status.cast_signed());
    seen!("three times there and back; DENIED to the normal world")
}

/// Lends a page to the partition for tests, and lets it read and return it. Returns the address.
pub(super) fn lend_and_return(world: &World) -> Result<u64, Failure> {
    let to = test_sp(world)?;
    let page = world.page(106);
    let address = page.address().0;
    with_buffers(world, |_, transmit| {
        let handle = memory::send(transmit, FuncId::MemLend32, &[(to, READ_WRITE)], &[(address, 1)])?;
        ask(to, [command::RETRIEVE, handle, 0, 0, 0])?;
        let _ = read(to, address)?;
        ask(to, [command::RELINQUISH, handle, 0, 0, 0])?;
        memory::reclaim(handle)?;
        Ok(address)
    })
}

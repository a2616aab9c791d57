// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The host that says it is somebody else: by the sender's ID, by a guessed key, by a claim of its own.

use super::guest::Witness;
use crate::{
    dma::others::{repeat, with_others},
    ensure,
    scenario::{Audience::Test, Failure, Outcome, Scenario, refused},
    seen,
    world::{PAGE, READ_WRITE, TRANSFER_COUNT, World},
};
use arm_ffa::FfaError;
use ffa_abi::{HypRequest, Key, PageOwner, Pages, PhysAddr, Registers, Request, Response, Status};
use nwd::{
    ffa::{self, CallError},
    hyp::Hyp,
    hypercall::{Call, call},
    iommu::{Iommu, IommuError},
    random::Random,
};

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "forged-sender",
        claim: "Forged sender",
        expected: "ask as 4 normal-world and 5 secure endpoints that a guest's page be shared, and for the claim",
        audience: Test,
        cores: 1,
        run: forged_sender,
    },
    Scenario {
        name: "guessed-key",
        claim: "Guessed key",
        expected: "256 keys for sharing a guest's page: none, all ones, what the host knows, random ones",
        audience: Test,
        cores: 1,
        run: guessed_key,
    },
    Scenario {
        name: "claim-after-boot",
        claim: "The hypervisor's role claimed after boot",
        expected: "claim, a hundred times; as a kernel does that was started by kexec",
        audience: Test,
        cores: 1,
        run: claim,
    },
    Scenario {
        name: "keys-from-cores",
        claim: "Keys guessed and roles claimed from several cores, to lock the hypervisor out",
        expected: "three cores guess and claim without end, while the guest shares a page and ends that, 50 times",
        audience: Test,
        cores: 4,
        run: from_cores,
    },
];

const GUEST: PageOwner = PageOwner::Guest(1);

fn share(page: &Witness, key: [u64; 2]) -> Registers {
    let pages = Pages { first: page.address(), count: 1 };
    HypRequest::Share(pages, GUEST).encode(Key::from_registers(key))
}

fn status_of(answer: Registers) -> Result<Status, Failure> {
    match Response::decode(answer) {
        Some(response) => Ok(response.status),
        None => Err(Failure::new(format_args!("malformed answer {answer:x?}"))),
    }
}

/// Shows that a guest's page is out of reach, and that the guest itself can change that.
pub(super) fn still_the_guests(world: &mut World, guest: &Witness) -> Result<(), Failure> {
    let (iommu, iova) = (world.iommu, world.iova(0x7_0000));
    let domain = world.attached_domain()?;
    let map = || iommu.map(domain, iova, guest.address(), PAGE, READ_WRITE);
    refused("a guest's page", map(), Status::Denied)?;
    world.device.write_ram(iova, 0, TRANSFER_COUNT)?;
    guest.unharmed("a guest's page")?;
    call(Call::Share, guest.address().0, 0)?;
    map()?;
    world.load()?;
    world.device.write_ram(iova, 0, TRANSFER_COUNT)?;
    ensure!(guest.differing()? != 0, "the control: a page that the guest shares is not written either");
    world.iommu.unmap(domain, iova, PAGE)?;
    call(Call::Unshare, guest.address().0, 0)?;
    refused("a page that is shared no more", map(), Status::Denied)
}

fn forged_sender(world: &mut World) -> Outcome {
    const NORMAL: [u16; 4] = [0, 1, 2, 0x7fff];
    const SECURE: [u16; 5] = [0x8000, 0x8001, 0x8002, 0x8003, 0xffff];
    let (service, guest) = (world.iommu.partition(), Witness::guest(world, &world.page(10))?);
    let messages = [
        (share(&guest, [0, 0]), Status::WrongKey),
        (share(&guest, [u64::from(service), 0]), Status::WrongKey),
        (Request::Claim.encode(), Status::Denied),
    ];
    for (message, answer) in messages {
        for sender in NORMAL {
            // Nobody else of the normal world is anybody's client.
            let wanted = if sender == ffa::SELF { answer } else { Status::Denied };
            let status = status_of(ffa::direct_as(sender, service, message)?)?;
            ensure!(status == wanted, "as {sender:#x}: {status:?}, not {wanted:?}");
        }
        for sender in SECURE {
            let answer = ffa::direct_as(sender, service, message);
            let refused = answer == Err(CallError::Ffa(FfaError::InvalidParameters));
            ensure!(refused, "as {sender:#x}: {answer:x?}");
        }
    }
    still_the_guests(world, &guest)?;
    seen!(
        "the service knows one sender, and wants a key of it; spm takes no secure sender from the normal world; shared by the guest: DMA"
    )
}

fn guessed_key(world: &mut World) -> Outcome {
    let guest = Witness::guest(world, &world.page(10))?;
    let before = call(Call::WrongKeys, 0, 0)?;
    let known = [
        [0, 0],
        [u64::MAX, u64::MAX],
        [1, 0],
        [0, 1],
        [world.mailbox.seed, 0],
        [world.mailbox.seed, world.mailbox.seed],
        [guest.address().0, 0],
        [u64::from(world.iommu.partition()), 0],
    ];
    let random = core::iter::repeat_with(|| [0, 0]).take(256 - known.len());
    let mut tried = 0;
    for mut key in known.into_iter().chain(random) {
        if tried >= known.len() {
            key = [world.random.word(), world.random.word()];
        }
        let status = world.iommu.raw(share(&guest, key))?.status;
        ensure!(status == Status::WrongKey, "{key:x?}: {status:?}");
        tried += 1;
    }
    let counted = call(Call::WrongKeys, 0, 0)?.saturating_sub(before);
    ensure!(counted == tried as u64, "{counted} of {tried} were counted");
    still_the_guests(world, &guest)?;
    seen!(
        "wrong key for each of {tried}, each counted; the hypervisor is not locked out; shared by the guest: DMA"
    )
}

fn claim(world: &mut World) -> Outcome {
    const TRIES: u32 = 100;
    let guest = Witness::guest(world, &world.page(10))?;
    for _ in 0..TRIES {
        refused("a claim", Hyp::claim(world.iommu), Status::Denied)?;
    }
    let other = Hyp::with_key(world.iommu, Key::from_registers([0, 0]));
    refused("without a key", other.wrong_keys(), Status::WrongKey)?;
    still_the_guests(world, &guest)?;
    seen!(
        "denied {TRIES} times: the role was claimed at boot; the hypervisor's key works on; shared by the guest: DMA"
    )
}

fn from_cores(world: &mut World) -> Outcome {
    const TIMES: u64 = 50;
    let guest = Witness::guest(world, &world.page(10))?;
    let before = call(Call::WrongKeys, 0, 0)?;
    let (address, at) = (guest.address().0, guest.address());
    let rounds = with_others(world, at, guess, |_| {
        for _ in 0..TIMES {
            patient(Call::Share, address)?;
            patient(Call::Unshare, address)?;
        }
        Ok(())
    })?;
    let counted = call(Call::WrongKeys, 0, 0)?.saturating_sub(before);
    let tried = rounds.iter().sum::<u64>();
    ensure!(counted >= tried, "{counted} of at least {tried} wrong keys were counted");
    still_the_guests(world, &guest)?;
    seen!(
        "guesses by core: {rounds:?}, all wrong, all claims denied; the guest's {TIMES} rounds went through"
    )
}

/// Repeats a call while the service is busy with another core's message.
fn patient(what: Call, address: u64) -> Result<(), Failure> {
    const TRIES: u32 = 100_000;
    let mut last = None;
    for _ in 0..TRIES {
        match call(what, address, 0) {
            Ok(_) => return Ok(()),
            Err(refusal) => last = Some(refusal),
        }
    }
    Err(Failure::new(format_args!("{what:?}: {last:?} for {TRIES} times")))
}

/// On another core: guesses a key for the page that the first core names, and claims.
fn guess(core: usize) {
    let mut random = Random::new(core as u64);
    let page = PhysAddr(crate::dma::others::memory());
    repeat(core, |iommu, _| {
        let key = Key::from_registers([random.word(), random.word()]);
        let message = HypRequest::Share(Pages { first: page, count: 1 }, GUEST).encode(key);
        expect("a guessed key", iommu, message, Status::WrongKey)?;
        expect("a claim", iommu, Request::Claim.encode(), Status::Denied)
    });
}

fn expect(
    what: &'static str,
    iommu: &Iommu,
    message: Registers,
    wanted: Status,
) -> Result<(), (&'static str, Option<IommuError>)> {
    match iommu.raw(message) {
        Ok(Response { status, .. }) if status == wanted => Ok(()),
        Ok(Response { status, .. }) => Err((what, Some(IommuError::Status(status)))),
        Err(error) => Err((what, Some(error))),
    }
}

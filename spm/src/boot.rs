// SPDX-License-Identifier: Apache-2.0 OR MIT
//! From entry to the first FFA_MSG_WAIT: reads the SPMC manifest, brings up what it names, and lets the other cores in.
//!
//! What stops the boot stops it here, before the SPMD gets to start the normal world.
#![expect(unsafe_code, reason = "opens devices and memory that the manifest names")]

use core::num::NonZeroU16;

use heapless::Vec;
use spm_core::direct_message::VcpuRef;
use spm_core::function;
use spm_core::manifest::layout::Layout;
use spm_core::manifest::spmc::Gic;
use spm_core::manifest::{AddressRange, MAX_PARTITIONS, SpmcManifest};
use spm_core::memory::Memory;
use spm_core::normal_memory::NormalMemory;
use spm_core::partition::CoreIndex;
use spm_core::seeded;
use spm_core::spmc::Spmc;
use spm_core::vcpu::VcpuState;

use crate::arch::el2_control;
use crate::arch::entry::{Section, open_for_secondaries, park_core};
use crate::arch::features::Features;
use crate::arch::smc::ask_spmd;
use crate::arch::sysreg::MPIDR_EL1;
use crate::arch::{distributor, redistributor};
use crate::console::{self, say};
use crate::contention;
use crate::contexts::{NormalContext, retake_normal, take_normal};
use crate::cores::{self, MAX_CORES};
use crate::image_store::ImageStore;
use crate::interrupt_lines;
use crate::loader::Loader;
use crate::mmu::{self, Use};
use crate::run::{self, Started};
use crate::stage2;
use crate::world::{WORLD, World};

/// The boot loader leaves the manifest in a page of its own (TF-A, TOS_FW_CONFIG).
const MANIFEST_BYTES: u64 = 4096;

/// Memory management's state, too large for a stack.
static MEMORY: Memory = Memory::new();

/// Says why the boot ends, and ends it. The normal world never starts.
macro_rules! give_up {
    ($($argument:tt)*) => {{
        say!($($argument)*);
        say!("the boot stops here");
        park_core()
    }};
}

/// Boots the first core, which was entered when the counter stood at `entered`.
pub(crate) fn primary(manifest: u64, core: u64, entered: u64) {
    let Ok(root) = mmu::activate() else { park_core() };
    let features = Features::detect();
    let spmc_manifest = read_manifest(manifest);
    let Some(index) = CoreIndex::new(core) else {
        give_up!("core {core} is beyond the {MAX_CORES} there may be")
    };
    check_cpu(&features);
    let Some(image) = Section::Image.range() else { give_up!("the image is not made of pages") };
    say!(
        "version {}, FF-A 1.2, image at {image}, {} bytes of it read-only, entered at tick {entered}",
        env!("CARGO_PKG_VERSION"),
        Section::Data.bounds().0 - image.start()
    );
    contention::announce();
    if !own_memory(&spmc_manifest).is_some_and(|own| own.contains(image)) {
        say!("warning: the image ends behind the binary_size of the SPMC manifest");
    }

    cores::come_on(index, |_| ());
    el2_control::initialise(&features);
    stage2::initialise(&features);
    open_gic(&spmc_manifest.gic);
    interrupt_lines::own(core);
    let world = WORLD.call_once(|| load_partitions(&spmc_manifest, image, index, features));
    let Some(mut normal) = take_normal(index.get()) else { park_core() };
    interrupt_lines::shared(world);
    interrupt_lines::private(world);
    start_partitions(world, index, &mut normal);
    register_secondaries(root);
    say!("ready");
}

/// Serves the normal world on the first core, for ever.
pub(crate) fn serve(core: u64) -> ! {
    let (Some(index), Some(world)) = (CoreIndex::new(core), WORLD.get()) else { park_core() };
    let Some(mut normal) = take_normal(index.get()) else { park_core() };
    run::serve(world, index, &mut normal)
}

/// Ends a core for which there is no room. It has a stack that all such cores share, one after the other.
pub(crate) fn refuse(core: u64) {
    say!("core {core} is one too many: spm runs on {MAX_CORES} at most; it stops here");
}

/// Boots any later core, each time that it comes on: the first time it starts its vCPU of each partition that has one for
/// it; later those are waiting already.
pub(crate) fn secondary(core: u64) -> ! {
    let features = Features::detect();
    let (Some(index), Some(world)) = (CoreIndex::new(core), WORLD.get()) else { park_core() };
    if features != world.features {
        give_up!("core {core} has other features than the first one");
    }
    let Some(mut normal) = retake_normal(index.get()) else { park_core() };
    cores::come_on(index, |from| interrupt_lines::pass_on(world, from, MPIDR_EL1::read()));
    el2_control::initialise(&features);
    stage2::initialise(&features);
    interrupt_lines::own(core);
    interrupt_lines::private(world);
    for (place, partition) in world.spmc.partitions().iter().enumerate() {
        let vcpu = VcpuRef { partition: place, vcpu: index.get() };
        let is_off = world.vcpu(vcpu).is_some_and(|vcpu| vcpu.state() == VcpuState::Off);
        // One that starts again begins with another of its vCPUs.
        let has_started = partition.life().has_started();
        if partition.contexts() > 1 && index.get() < partition.contexts() && is_off && has_started {
            prepare(world, vcpu);
            if run::start(world, index, &mut normal, vcpu) == Started::Failed {
                say!("{}: vCPU {} does not start", partition.name(), index.get());
            }
        }
    }
    run::serve(world, index, &mut normal)
}

/// Opens the interrupt controller.
fn open_gic(gic: &Gic) {
    // SAFETY: the integrator gives spm these devices; layout.rs keeps them from partitions.
    unsafe { redistributor::open(gic.redistributors) };
    // SAFETY: as above.
    if unsafe { distributor::open(gic.distributor) }.is_err() {
        give_up!("{} is no distributor, or there is no room to map it", gic.distributor);
    }
}

fn check_cpu(features: &Features) {
    if !features.sel2 {
        give_up!("this CPU has no secure EL2");
    }
    if !features.gic {
        give_up!("this CPU has no GICv3 system registers");
    }
    if features.needs_fgt && !features.fgt {
        give_up!(
            "EL3 keeps the fine-grained traps from spm, and this CPU has registers that only they close"
        );
    }
}

/// Maps the manifest's page, opens the console that it names, and returns what it says.
fn read_manifest(address: u64) -> SpmcManifest {
    // What fails before there is a console is only seen as silence.
    let Ok(page) = AddressRange::new(address, MANIFEST_BYTES) else { park_core() };
    // SAFETY: EL3 passed the page for spm to read; nobody writes it.
    let read = unsafe {
        mmu::with_memory(page, |bytes| (SpmcManifest::parse_with_console(bytes), seeded::choose(bytes)))
    };
    let Ok(((console, manifest), bug)) = read else { park_core() };
    if let Some(console) = console
        && mmu::map(console, Use::Device).is_ok()
    {
        // SAFETY: the integrator gives spm this device; layout.rs keeps it from partitions; just mapped for good.
        unsafe { console::open(console.start()) };
    }
    if let Some(bug) = bug {
        say!("bug {bug} was SEEDED ON PURPOSE");
    }
    match manifest {
        Ok(manifest) => manifest,
        Err(error) => give_up!("SPMC manifest: {error}"),
    }
}

/// Returns the memory that the manifest gives spm.
fn own_memory(manifest: &SpmcManifest) -> Option<AddressRange> {
    AddressRange::new(manifest.load_address, manifest.binary_size).ok()
}

/// Loads what the manifest lists, in the order in which it is to start.
fn load_partitions(
    manifest: &SpmcManifest,
    image: AddressRange,
    core: CoreIndex,
    features: Features,
) -> World {
    let cores = u16::try_from(MAX_CORES).ok().and_then(NonZeroU16::new).unwrap_or(NonZeroU16::MIN);
    // All of it is spm's, if the integrator says so.
    let own = own_memory(manifest).filter(|own| own.contains(image)).unwrap_or(image);
    let Some(layout) = Layout::new(manifest, cores, &[own]) else {
        give_up!("the reserved ranges do not fit");
    };
    let mut loader = Loader::new(layout, core, features, ImageStore::new(own, image));
    for place in &manifest.partitions {
        match loader.load(place) {
            Ok(()) => {}
            Err(reason) => {
                say!("{}: refused: {reason}", place.name);
                if place.essential {
                    give_up!("{} is essential", place.name);
                }
            }
        }
    }
    let (loaded, layout) = loader.finish();
    let memory = NormalMemory::new(manifest, layout.admitted());
    World {
        spmc: Spmc::new(manifest.spmc_id, loaded.partitions, memory, &MEMORY),
        stage2: loaded.stage2,
        kept: loaded.kept,
        contexts: loaded.contexts,
        features,
    }
}

/// Runs the first vCPU of each partition until it waits for messages, in their boot order.
fn start_partitions(world: &World, core: CoreIndex, normal: &mut NormalContext) {
    let partitions = world.spmc.partitions();
    let mut started: Vec<usize, MAX_PARTITIONS> = Vec::new();
    let next = |started: &[usize]| {
        let waiting = partitions.iter().enumerate().filter(|(place, _)| !started.contains(place));
        waiting.min_by_key(|(_, partition)| partition.boot_order())
    };
    while let Some((place, partition)) = next(&started) {
        if started.push(place).is_err() {
            return;
        }
        let vcpu = VcpuRef { partition: place, vcpu: partition.vcpu_for(core) };
        if let Some(stage2) = world.stage2.get(place) {
            stage2.invalidate();
            normal.selected = None;
        }
        say!("{}: starts", partition.name());
        if run::start(world, core, normal, vcpu) == Started::Failed {
            if partition.is_essential() {
                give_up!("{} is essential and did not start", partition.name());
            }
            say!("{}: did not start; going on without it", partition.name());
        }
    }
}

/// Prepares the first entry of a vCPU that is not its partition's first.
fn prepare(world: &World, vcpu: VcpuRef) {
    if let (Some(partition), Some(mut context)) =
        (world.spmc.partitions().get(vcpu.partition), world.contexts.take(vcpu))
    {
        context.start_at(partition.secondary_entry());
    }
}

fn register_secondaries(root: u64) {
    let message = ask_spmd(function::SECONDARY_EP_REGISTER_64, open_for_secondaries(root));
    let taken =
        [function::SUCCESS_32, function::SUCCESS_64].into_iter().any(|id| message[0] == u64::from(id));
    if !taken {
        say!("warning: the SPMD takes no entry point for other cores ({:#x})", message[2]);
    }
}

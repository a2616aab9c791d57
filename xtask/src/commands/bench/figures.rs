// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Which figures there are, what each means, and the most that it is to be.

/// One figure: its name, what it means, and the most that it is to be.
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) meaning: &'static str,
    pub(super) target: Target,
}

/// The most that a figure is to be.
#[derive(Clone, Copy)]
pub(super) enum Target {
    /// Nobody said.
    None,
    /// So much.
    AtMost(u64),
    /// So much more than another figure.
    Above(&'static str, u64),
}

impl Target {
    /// Returns the most that the figure is to be, when `values` are the figures.
    fn most(self, values: &[(String, u64)]) -> Option<u64> {
        match self {
            Self::None => None,
            Self::AtMost(most) => Some(most),
            // A figure that is missed is complained of elsewhere.
            Self::Above(base, most) => {
                values.iter().find(|(name, _)| name == base).map(|(_, value)| value.saturating_add(most))
            }
        }
    }
}

const fn figure(name: &'static str, meaning: &'static str, target: Target) -> Figure {
    Figure { name, meaning, target }
}

/// The figures of the client with one core, in the order of the table.
pub(super) const COUNTS: [Figure; 21] = [
    figure("el3_call", "a call that EL3 answers itself", Target::None),
    figure("spmc_call", "an FF-A call that spm answers at its entry", Target::None),
    figure("direct_message", "a direct message to a partition and back", Target::Above("spmc_call", 450)),
    figure("direct_req2", "the same by FFA_MSG_SEND_DIRECT_REQ2", Target::None),
    figure("partition_info_get_2", "FFA_PARTITION_INFO_GET of two partitions", Target::AtMost(2500)),
    figure("rx_release", "FFA_RX_RELEASE", Target::Above("spmc_call", 250)),
    figure("notification_round", "a notification set, told of and got", Target::None),
    figure("interrupt_to_sp", "a secure interrupt until its partition runs", Target::None),
    figure("mem_cycle_1", "share, retrieve, relinquish, reclaim of one page", Target::AtMost(25_000)),
    figure("mem_cycle_512", "the same of 512 pages in one range", Target::AtMost(60_000)),
    figure("mem_cycle_200x1", "the same of 200 pages here and there", Target::AtMost(250_000)),
    figure("empty_message", "a message to iommu-sp that asks for next to nothing", Target::None),
    figure("attach", "a device into a domain", Target::None),
    figure(
        "sid_lookup_max",
        "a message about a stream that is in no policy",
        Target::Above("empty_message", 200),
    ),
    figure("map_4k", "map of one 4K page", Target::Above("empty_message", 700)),
    figure(
        "unmap_4k_sync",
        "its unmap, when no device can use it any more",
        Target::Above("empty_message", 900),
    ),
    figure("map_2m_block", "map of 2 MiB as one block", Target::None),
    figure("map_512x4k", "map of 512 times 4K in one request: each, without the message", Target::AtMost(25)),
    figure("map_list_256", "map of 256 pages by a ring: each, without the messages", Target::AtMost(120)),
    figure("unmap_list_256", "their unmap: each, without the messages", Target::AtMost(80)),
    figure("fault_delivery", "a poll that finds a report", Target::None),
];

/// Those of a system with a hypervisor.
pub(super) const COUNTS_HYP: [Figure; 1] =
    [figure("own_512", "512 pages taken from the kernel", Target::Above("empty_message", 20_000))];

/// Those with four cores.
pub(super) const COUNTS_4CORE: [Figure; 1] =
    [figure("direct_message_4core", "of four cores at once: all instructions by all messages", Target::None)];

/// That of a boot for it alone.
pub(super) const BOOT: [Figure; 1] = [figure(
    "boot_two_partitions",
    "from spm's entry to the normal world's, two partitions that do nothing",
    Target::AtMost(600_000),
)];

/// The figures of the images.
pub(super) const SIZES: [Figure; 4] = [
    // 98,304 while spm had direct messages only. Interrupts, notifications, indirect messages, CPU cycles of others and
    // memory management came since; Hafnium's, with as much, is 216 KiB.
    figure("spm_text_rodata_bytes", "spm: .text and .rodata", Target::AtMost(160 * 1024)),
    // 98,304 while the service had domains of one kind, messages in registers and no idea of what has to be rebuilt.
    figure("iommu_sp_text_rodata_bytes", "iommu-sp: .text and .rodata", Target::AtMost(160 * 1024)),
    figure("spm_ram_bytes", "spm: memory, with stacks and tables", Target::None),
    figure("iommu_sp_ram_bytes", "iommu-sp: memory, with stacks and tables", Target::None),
];

/// Returns the figure with a name, if it is known.
pub(super) fn known(name: &str) -> Option<&'static Figure> {
    COUNTS
        .iter()
        .chain(&COUNTS_HYP)
        .chain(&COUNTS_4CORE)
        .chain(&BOOT)
        .chain(&SIZES)
        .find(|figure| figure.name == name)
}

/// Returns what a figure is to be at most, if it has a target.
pub(super) fn most(name: &str, values: &[(String, u64)]) -> Option<u64> {
    known(name)?.target.most(values)
}

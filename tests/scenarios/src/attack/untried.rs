// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Attacks that cannot be tried, and why: because the machine has nothing to try them with, or the service not yet what they
//! would attack.

/// Name, attack, reason.
pub(super) const ALL: &[[&str; 3]] = &[
    [
        "pool-reclaimed",
        "Pool memory given back while the SMMU still reads it",
        "the hypervisor of these scenarios lends none; that none comes back while tables stand there is tried in mode hyp (pool-lent)",
    ],
    [
        "aliases",
        "PCI requester aliases, and requests that a switch without ACS turns around",
        "QEMU gives each function a stream ID of its own, and routes no request past the SMMU",
    ],
    ["shared-streams", "Stream IDs that several devices share", "no two devices here have one stream ID"],
    [
        "memory-controller",
        "Stream ID overrides, NS flags and the bypass register of a memory controller",
        "neither machine has a memory controller with stream ID registers",
    ],
    [
        "engine-stream-ids",
        "Stream IDs set by a device's own registers (host1x, GPU)",
        "neither machine has such a device: a stream ID is a PCI requester ID",
    ],
    ["smmu-pair", "Paired SMMU instances that diverge", "each machine has one SMMU, which is no pair"],
    [
        "translated-requests",
        "ATS, PRI and stale device TLBs",
        "QEMU's SMMU has no ATS (IDR0.ATS is 0), and no device here sends translated requests",
    ],
    [
        "stall",
        "Stalled transactions as denial of service",
        "QEMU's SMMU does not stall, and the tables of the service do not ask for it",
    ],
    [
        "power-cycle",
        "Reset and power cycle of the SMMU alone",
        "the machines reset as a whole, which starts firmware and policy anew; the SMMU's power cannot be switched",
    ],
];

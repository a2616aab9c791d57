// SPDX-License-Identifier: Apache-2.0 OR MIT
//! RX and TX buffers (DEN0077A 4.10): FFA_RX_RELEASE, FFA_RXTX_MAP, FFA_RXTX_UNMAP (13.5 to 13.7).

use crate::case::{Case, Instance};
use crate::endpoint::{Endpoint, Foreign, PAGE, call, map_buffers, rx, tx};
use crate::interface::Interface;
use crate::outcome::Outcome;
use arm_ffa::FfaError::{Denied, InvalidParameters};
use arm_ffa::FuncId;

pub(super) const CASES: &[Case] = &[
    Case::alone(Interface::RxTxMap, "map-and-unmap", "13.6; 13.7", Instance::ALL, map_and_unmap),
    Case::alone(Interface::RxTxMap, "sizes", "13.6; 13.3", Instance::LATEST, sizes),
    Case::alone(Interface::RxTxMap, "bad-page-counts", "13.6", Instance::LATEST, bad_page_counts),
    Case::alone(Interface::RxTxMap, "unaligned", "13.6; 4.10", Instance::LATEST, unaligned),
    Case::alone(Interface::RxTxMap, "overlap", "13.6; 4.10", Instance::LATEST, overlap),
    Case::alone(Interface::RxTxMap, "not-the-callers", "13.6; 4.10", Instance::LATEST, not_the_callers),
    Case::alone(Interface::RxTxMap, "twice", "13.6", Instance::LATEST, twice),
    Case::alone(
        Interface::RxTxMap,
        "refused-leaves-nothing",
        "13.6",
        Instance::LATEST,
        refused_leaves_nothing,
    ),
    Case::alone(Interface::RxTxUnmap, "nothing-mapped", "13.7", Instance::ALL, nothing_mapped),
    Case::alone(Interface::RxTxUnmap, "mapped-anew", "13.7", Instance::LATEST, mapped_anew),
    Case::alone(Interface::RxRelease, "nothing-to-release", "13.5", Instance::ALL, nothing_to_release),
];

fn map(endpoint: &mut dyn Endpoint, tx: u64, rx: u64, pages: u64) -> crate::endpoint::Answer {
    call(endpoint, FuncId::RxTxMap64, &[tx, rx, pages])
}

fn unmap(endpoint: &mut dyn Endpoint) -> crate::endpoint::Answer {
    call(endpoint, FuncId::RxTxUnmap, &[])
}

fn map_and_unmap(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    unmap(endpoint).success()?;
    // The 32-bit call can name only what lies below 4 GiB: the normal world's RAM does not everywhere.
    let (rx, tx) = (rx(endpoint), tx(endpoint));
    if rx < 1 << 32 {
        call(endpoint, FuncId::RxTxMap32, &[tx, rx, 1]).success()?;
        unmap(endpoint).success()?;
    }
    Ok(())
}

/// More than one page each, up to half of what the endpoint has.
fn sizes(endpoint: &mut dyn Endpoint) -> Outcome {
    let base = endpoint.pages();
    for pages in [1, 2, 4] {
        map(endpoint, base, base + pages * PAGE, pages).success()?;
        unmap(endpoint).success()?;
    }
    Ok(())
}

/// No page, and bits 31-6 of w3, which are reserved and must be zero.
fn bad_page_counts(endpoint: &mut dyn Endpoint) -> Outcome {
    let (rx, tx) = (rx(endpoint), tx(endpoint));
    for pages in [0, 0x41, 0x101, 0x8000_0001] {
        map(endpoint, tx, rx, pages).error(InvalidParameters)?;
    }
    Ok(())
}

fn unaligned(endpoint: &mut dyn Endpoint) -> Outcome {
    let (rx, tx) = (rx(endpoint), tx(endpoint));
    for offset in [1, 8, 0x800, 0xfff] {
        map(endpoint, tx + offset, rx, 1).error(InvalidParameters)?;
        map(endpoint, tx, rx + offset, 1).error(InvalidParameters)?;
    }
    Ok(())
}

fn overlap(endpoint: &mut dyn Endpoint) -> Outcome {
    let base = endpoint.pages();
    map(endpoint, base, base, 1).error(InvalidParameters)?;
    map(endpoint, base, base + PAGE, 2).error(InvalidParameters)?;
    map(endpoint, base + 3 * PAGE, base, 4).error(InvalidParameters)
}

fn not_the_callers(endpoint: &mut dyn Endpoint) -> Outcome {
    let (rx, tx) = (rx(endpoint), tx(endpoint));
    for which in [Foreign::Spmc, Foreign::OtherWorld] {
        let foreign = endpoint.foreign(which);
        map(endpoint, foreign, rx, 1).error(InvalidParameters)?;
        map(endpoint, tx, foreign, 1).error(InvalidParameters)?;
    }
    // Addresses that wrap.
    map(endpoint, !(PAGE - 1), rx, 2).error(InvalidParameters)?;
    map(endpoint, tx, !(PAGE - 1), 2).error(InvalidParameters)
}

fn twice(endpoint: &mut dyn Endpoint) -> Outcome {
    map_buffers(endpoint)?;
    let base = endpoint.pages();
    map(endpoint, base + PAGE, base, 1).error(Denied)?;
    map(endpoint, base + 2 * PAGE, base + 3 * PAGE, 1).error(Denied)?;
    unmap(endpoint).success()
}

fn refused_leaves_nothing(endpoint: &mut dyn Endpoint) -> Outcome {
    let rx = rx(endpoint);
    map(endpoint, rx, rx, 1).error(InvalidParameters)?;
    unmap(endpoint).error(InvalidParameters)?;
    map_buffers(endpoint)?;
    unmap(endpoint).success()
}

fn nothing_mapped(endpoint: &mut dyn Endpoint) -> Outcome {
    unmap(endpoint).error(InvalidParameters)?;
    map_buffers(endpoint)?;
    unmap(endpoint).success()?;
    unmap(endpoint).error(InvalidParameters)
}

/// The same pages, and the two exchanged.
fn mapped_anew(endpoint: &mut dyn Endpoint) -> Outcome {
    let (rx, tx) = (rx(endpoint), tx(endpoint));
    for _ in 0..3 {
        map(endpoint, tx, rx, 1).success()?;
        unmap(endpoint).success()?;
        map(endpoint, rx, tx, 1).success()?;
        unmap(endpoint).success()?;
    }
    Ok(())
}

/// Without buffers, and with an empty one.
fn nothing_to_release(endpoint: &mut dyn Endpoint) -> Outcome {
    call(endpoint, FuncId::RxRelease, &[]).error(Denied)?;
    map_buffers(endpoint)?;
    call(endpoint, FuncId::RxRelease, &[]).error(Denied)
}

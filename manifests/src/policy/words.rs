// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Words of the policy binding.

use crate::{
    error::{Reason, Result},
    source::Node,
};
use iommu_core::policy::{Guard, Holders, HypRole};

pub(super) fn guard(node: &Node) -> Result<Guard> {
    match node.string("guard")? {
        "nobody" => Ok(Guard::Nobody),
        "el2" => Ok(Guard::El2),
        "bus-filter" => Ok(Guard::BusFilter),
        other => Err(unknown(node, "guard", other, "nobody, el2, bus-filter")),
    }
}

pub(super) fn hyp(node: &Node) -> Result<HypRole> {
    match node.string("hyp")? {
        "absent" => Ok(HypRole::Absent),
        "required" => Ok(HypRole::Required),
        other => Err(unknown(node, "hyp", other, "absent, required")),
    }
}

/// Reads who may hold a device. Nobody has to be said: a forgotten line must not look like a decision.
pub(super) fn holders(node: &Node) -> Result<Holders> {
    let words = node.strings("holders")?;
    let mut holders = Holders::default();
    if words == ["none"] {
        return Ok(holders);
    }
    for word in words {
        match word {
            "host" => holders.host = true,
            "hyp" => holders.hyp = true,
            "guests" => holders.guests = true,
            other => return Err(unknown(node, "holders", other, "host, hyp, guests, or only none")),
        }
    }
    Ok(holders)
}

fn unknown(node: &Node, property: &'static str, word: &str, words: &'static str) -> crate::Error {
    node.error(Reason::Word(property, word.to_owned(), words))
}

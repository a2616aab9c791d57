// SPDX-License-Identifier: Apache-2.0 OR MIT
//! `docs/manifests.md` says of each field what `fields.rs` and `offered.rs` do with it.

use std::collections::BTreeMap;

use crate::manifest::fields::{Binding, List, PARTITION_NODES, Treatment};
use crate::manifest::offered;

const BOOK: &str = include_str!("../../../../../docs/manifests.md");

/// Returns the rows of the table below a heading: field, verdict and remark.
fn rows(heading: &str) -> BTreeMap<&'static str, (&'static str, &'static str)> {
    let (_, section) = BOOK.split_once(&format!("\n### {heading}\n")).unwrap();
    let section = section.split("\n#").next().unwrap();
    let mut rows = BTreeMap::new();
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let [_, field, verdict, remark, _] = row.split('|').collect::<Vec<_>>()[..] else { panic!("{row}") };
        let field = field.trim().trim_matches('`');
        assert_eq!(rows.insert(field, (verdict.trim(), remark.trim())), None, "{heading}: {field} twice");
    }
    rows
}

#[test]
fn the_tables_say_what_becomes_of_each_field() {
    let sections: [(&str, &List); 11] = [
        ("Properties of the root", Binding::Partition.list()),
        ("Nodes of the root", PARTITION_NODES),
        ("services", Binding::Services.list()),
        ("A child of services", Binding::Service.list()),
        ("boot-info", Binding::BootInfo.list()),
        ("memory-regions and device-regions", Binding::Regions.list()),
        ("A child of memory-regions", Binding::MemoryRegion.list()),
        ("A child of device-regions", Binding::DeviceRegion.list()),
        ("attribute", Binding::Attribute.list()),
        ("hypervisor", Binding::Hypervisor.list()),
        ("A child of hypervisor", Binding::SpmcPartition.list()),
    ];
    for (heading, list) in sections {
        let mut rows = rows(heading);
        for (field, treatment) in list {
            let (verdict, remark) = rows.remove(field).unwrap_or_else(|| panic!("{heading}: no {field}"));
            match treatment {
                Treatment::Read => assert_eq!(verdict, "honoured", "{heading}: {field}"),
                Treatment::Ignored => {
                    assert_eq!(verdict, "ignored", "{heading}: {field}");
                    assert!(!remark.is_empty(), "{heading}: {field}");
                }
                Treatment::Refused(why) => assert_eq!((verdict, remark), ("refused", *why), "{field}"),
                Treatment::RefusedUnlessZero(why) => {
                    assert_eq!((verdict, remark), ("refused unless 0", *why), "{field}");
                }
            }
        }
        assert!(rows.is_empty(), "{heading}: {rows:?} are in no list");
    }
}

#[test]
fn the_tables_say_which_values_are_not_offered() {
    let mut told = rows("Properties of the root");
    told.retain(|_, (_, remark)| remark.contains("Not offered: "));
    for (field, missing) in offered::missing() {
        if missing.is_empty() {
            assert!(!told.contains_key(field), "{field} lacks nothing");
            continue;
        }
        let (_, remark) = told.remove(field).unwrap_or_else(|| panic!("{field} lacks {missing:?}"));
        let (_, values) = remark.split_once("Not offered: ").unwrap();
        assert_eq!(values.strip_suffix('.').unwrap().split("; ").collect::<Vec<_>>(), missing, "{field}");
    }
    assert!(told.is_empty(), "{told:?} lack nothing");
}

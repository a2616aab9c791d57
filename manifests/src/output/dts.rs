// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Writes device-tree source. The text also passes the C preprocessor in TF-A's build, so it has no apostrophes.

use crate::source::Node;
use iommu_core::policy::Range;
use std::fmt::Write as _;

/// A source text that grows node by node.
#[derive(Debug)]
pub(super) struct Writer {
    text: String,
    depth: usize,
    /// Properties and nodes of the root that are left out, since something else is written in their place.
    replaced: Vec<String>,
}

impl Writer {
    /// Writes a whole source: head, a comment that says what this is, and the root node.
    pub(super) fn source(comment: &str, root: impl FnOnce(&mut Self)) -> String {
        Self::source_with(comment, None, root)
    }

    /// As [`Self::source`]; what stands in `instead` takes the place of what `root` writes under the same names.
    pub(super) fn source_with(comment: &str, instead: Option<&Node>, root: impl FnOnce(&mut Self)) -> String {
        let mut writer = Self {
            text: format!("// SPDX-License-Identifier: Apache-2.0 OR MIT\n/* {comment} */\n/dts-v1/;\n\n"),
            depth: 0,
            replaced: Vec::new(),
        };
        if let Some(node) = instead {
            writer.replaced.extend(node.properties().map(|(name, _)| name.to_owned()));
            writer.replaced.extend(node.children().map(|child| child.name().to_owned()));
        }
        writer.node("/", |writer| {
            // dtc wants properties before nodes.
            let replaced = core::mem::take(&mut writer.replaced);
            instead.into_iter().for_each(|node| writer.copy_properties(node));
            writer.replaced = replaced;
            root(writer);
            writer.replaced.clear();
            instead.into_iter().for_each(|node| writer.copy_children(node));
        });
        writer.text
    }

    /// Writes the properties of a node. Values have no types in a device tree: words and bytes say all there is.
    fn copy_properties(&mut self, node: &Node) {
        for (name, value) in node.properties() {
            match value.as_chunks::<4>() {
                ([], []) => self.flag(name),
                (cells, []) => {
                    let cells: Vec<_> = cells.iter().map(|cell| u32::from_be_bytes(*cell)).collect();
                    self.cells(name, &cells);
                }
                _ => self.bytes(name, value),
            }
        }
    }

    fn copy_children(&mut self, node: &Node) {
        for child in node.children() {
            self.node(child.name(), |writer| {
                writer.copy_properties(child);
                writer.copy_children(child);
            });
        }
    }

    fn is_replaced(&self, name: &str) -> bool {
        self.depth == 1 && self.replaced.iter().any(|other| other == name)
    }

    /// Writes a whole overlay: head, comment, and a root node for [`Self::fragment`].
    pub(super) fn overlay(comment: &str, root: impl FnOnce(&mut Self)) -> String {
        // What dtc is told by `/plugin/` is to note where phandles stand, for whoever lays the overlay over a tree.
        Self::source(comment, root).replacen("/dts-v1/;\n", "/dts-v1/;\n/plugin/;\n", 1)
    }

    /// Writes one fragment of an overlay, which adds to the node at `target`; `label` names that node in the overlay.
    pub(super) fn fragment(&mut self, target: &str, label: Option<&str>, inside: impl FnOnce(&mut Self)) {
        let number = self.text.matches("fragment@").count();
        self.node(&format!("fragment@{number}"), |fragment| {
            fragment.string("target-path", target);
            let label = label.map_or(String::new(), |label| format!("{label}: "));
            fragment.node(&format!("{label}__overlay__"), inside);
        });
    }

    pub(super) fn node(&mut self, name: &str, inside: impl FnOnce(&mut Self)) {
        if self.is_replaced(name) {
            return;
        }
        if self.depth > 0 && !self.text.ends_with("{\n") {
            self.text.push('\n');
        }
        self.line(&format!("{name} {{"));
        self.depth += 1;
        inside(self);
        self.depth -= 1;
        self.line("};");
    }

    pub(super) fn flag(&mut self, name: &str) {
        self.property(name, "");
    }

    pub(super) fn string(&mut self, name: &str, value: &str) {
        self.property(name, &format!(" = \"{value}\""));
    }

    /// Writes 32-bit cells.
    pub(super) fn cells(&mut self, name: &str, values: &[u32]) {
        let words: Vec<_> = values.iter().map(|value| format!("{value:#x}")).collect();
        self.property(name, &format!(" = <{}>", words.join(" ")));
    }

    /// Writes a value that is source text already.
    pub(super) fn expression(&mut self, name: &str, value: &str) {
        self.line(&format!("{name} = {value};"));
    }

    /// Writes one value of 64 bits as two cells.
    pub(super) fn wide(&mut self, name: &str, value: u64) {
        self.cells(name, &halves(value));
    }

    /// Writes ranges as two cells of address and two of size each.
    pub(super) fn ranges(&mut self, name: &str, ranges: &[Range]) {
        let words: Vec<_> = ranges
            .iter()
            .map(|range| {
                let [base_high, base_low] = halves(range.base);
                let [size_high, size_low] = halves(range.size);
                format!("<{base_high:#x} {base_low:#x} {size_high:#x} {size_low:#x}>")
            })
            .collect();
        self.property(name, &format!(" = {}", words.join(", ")));
    }

    pub(super) fn bytes(&mut self, name: &str, value: &[u8]) {
        let mut words = String::new();
        for byte in value {
            // Writing into a String cannot fail.
            let _ = write!(words, "{byte:02x}");
        }
        self.property(name, &format!(" = [{words}]"));
    }

    fn property(&mut self, name: &str, value: &str) {
        if !self.is_replaced(name) {
            self.line(&format!("{name}{value};"));
        }
    }

    fn line(&mut self, text: &str) {
        self.text.extend(core::iter::repeat_n('\t', self.depth));
        self.text.push_str(text);
        self.text.push('\n');
    }
}

/// Returns a value of 64 bits as two cells, the upper one first.
pub(super) fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_be_bytes();
    [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])]
}

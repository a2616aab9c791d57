// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A device tree to be changed and written as a blob, with faults that a proper writer would not allow.

/// A node.
#[derive(Clone)]
pub(crate) struct Tree {
    name: String,
    properties: Vec<(String, Vec<u8>)>,
    children: Vec<Tree>,
}

impl Tree {
    pub(crate) fn node(name: &str) -> Self {
        Self { name: name.into(), properties: vec![], children: vec![] }
    }

    /// Adds a property, even if there is one of that name.
    pub(crate) fn with(mut self, name: &str, value: Vec<u8>) -> Self {
        self.properties.push((name.into(), value));
        self
    }

    /// Adds a child, even if there is one of that name.
    pub(crate) fn child(mut self, child: Tree) -> Self {
        self.children.push(child);
        self
    }

    /// Changes the node at `path`, names of children separated by slashes.
    pub(crate) fn edit(mut self, path: &str, change: impl FnOnce(Tree) -> Tree) -> Self {
        let mut node = &mut self;
        for name in path.split('/').filter(|name| !name.is_empty()) {
            node = node.children.iter_mut().find(|child| child.name == name).unwrap();
        }
        *node = change(node.clone());
        self
    }

    /// Gives the property of the node at `path` another value, or adds it.
    pub(crate) fn set(self, path: &str, name: &str, value: Vec<u8>) -> Self {
        self.edit(path, |node| node.without(name).with(name, value))
    }

    /// Takes a property or a child away.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.properties.retain(|(present, _)| present != name);
        self.children.retain(|child| child.name != name);
        self
    }

    /// Returns copies of the children of the child `name`.
    pub(crate) fn children_of(&self, name: &str) -> Vec<Tree> {
        self.children
            .iter()
            .filter(|child| child.name == name)
            .flat_map(|child| child.children.clone())
            .collect()
    }

    /// Writes the blob (Devicetree Specification 0.4, chapter 5).
    pub(crate) fn blob(&self) -> Vec<u8> {
        const HEADER: u32 = 40;
        const RESERVATIONS: u32 = 16;
        let (mut structure, mut strings) = (vec![], vec![]);
        self.write(&mut structure, &mut strings);
        put(&mut structure, 9);
        let size_of = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap();
        let strings_at = HEADER + RESERVATIONS + size_of(&structure);
        let total = strings_at + size_of(&strings);
        let mut blob = vec![];
        for word in [
            0xd00d_feed,
            total,
            HEADER + RESERVATIONS,
            strings_at,
            HEADER,
            17,
            16,
            0,
            size_of(&strings),
            size_of(&structure),
            0,
            0,
            0,
            0,
        ] {
            put(&mut blob, word);
        }
        blob.extend(structure);
        blob.extend(strings);
        blob
    }

    fn write(&self, structure: &mut Vec<u8>, strings: &mut Vec<u8>) {
        put(structure, 1);
        structure.extend(self.name.as_bytes());
        structure.push(0);
        pad(structure);
        for (name, value) in &self.properties {
            put(structure, 3);
            put(structure, u32::try_from(value.len()).unwrap());
            put(structure, u32::try_from(strings.len()).unwrap());
            strings.extend(name.as_bytes());
            strings.push(0);
            structure.extend(value);
            pad(structure);
        }
        for child in &self.children {
            child.write(structure, strings);
        }
        put(structure, 2);
    }
}

fn put(bytes: &mut Vec<u8>, word: u32) {
    bytes.extend(word.to_be_bytes());
}

fn pad(bytes: &mut Vec<u8>) {
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who may call whom in an image, told too widely rather than too narrowly: an indirect call may reach every function whose
//! address stands in data or is computed by code.

use super::branch::{Address, Flow, add, address, flow, sum};
use crate::elf::{Code, Function};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Between the instructions that compute a place in a jump table and the jump there are at most so many others.
const TABLE_WINDOW: usize = 8;
/// So many instructions are looked at for the end of a page's address in its register.
const PAGE_WINDOW: usize = 4;

/// A step from one function to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// The instruction.
    pub(super) at: u64,
    /// The place of the function that it goes to in [`Code::functions`].
    pub(super) to: usize,
}

/// What a function does, as far as it goes to others.
#[derive(Debug, Default)]
pub(super) struct Node {
    /// Where it goes by itself.
    pub(super) steps: Vec<Step>,
    /// Whether it jumps or calls through a register.
    pub(super) is_indirect: bool,
    /// Whether it returns, as far as its instructions show.
    pub(super) returns: bool,
}

/// All functions of an image with the steps between them.
#[derive(Debug)]
pub(super) struct Graph {
    nodes: Vec<Node>,
    /// Functions that an indirect call may reach.
    taken: BTreeSet<usize>,
}

impl Graph {
    /// Reads the code.
    pub(super) fn new(code: &Code) -> Self {
        let mut taken: BTreeSet<usize> =
            code.pointers.iter().filter(|at| **at != code.start).filter_map(|at| code.at(*at)).collect();
        let nodes = code.functions.iter().map(|function| read(code, function, &mut taken)).collect();
        Self { nodes, taken }
    }

    /// Returns a function's node.
    pub(super) fn node(&self, place: usize) -> Option<&Node> {
        self.nodes.get(place)
    }

    /// Returns all functions that may run once one of `roots` does, each with the one that it was found by; what `ends`
    /// names is reached and not followed.
    pub(super) fn reach(
        &self,
        roots: &[usize],
        ends: impl Fn(usize) -> bool,
    ) -> BTreeMap<usize, Option<usize>> {
        let mut found: BTreeMap<usize, Option<usize>> = roots.iter().map(|root| (*root, None)).collect();
        let mut next: VecDeque<usize> = roots.iter().copied().collect();
        while let Some(place) = next.pop_front() {
            if ends(place) {
                continue;
            }
            let Some(node) = self.nodes.get(place) else { continue };
            let indirect = self.taken.iter().filter(|_| node.is_indirect);
            for to in node.steps.iter().map(|step| &step.to).chain(indirect) {
                if !found.contains_key(to) {
                    found.insert(*to, Some(place));
                    next.push_back(*to);
                }
            }
        }
        found
    }
}

/// Reads one function; adds those to `taken` whose addresses it may compute.
fn read(code: &Code, function: &Function, taken: &mut BTreeSet<usize>) -> Node {
    let mut node = Node::default();
    let (mut pages, mut offsets) = (BTreeSet::new(), BTreeSet::from([0]));
    let mut whole = Vec::new();
    let mut recent: VecDeque<(u64, u32)> = VecDeque::new();
    let mut last = (function.range.start, Flow::Next);
    let is_within = |to: u64| function.range.contains(&to);
    let mut step = |at: u64, to: u64| {
        node.steps.extend(code.at(to).filter(|_| !is_within(to)).map(|to| Step { at, to }));
    };
    // The first function's address is that of the image, which code computes for its own sake.
    let mut take = |to: u64| {
        if to != code.start && (!is_within(to) || to == function.range.start) {
            taken.extend(code.at(to));
        }
    };
    let instructions: Vec<(u64, u32)> = code.instructions(&function.range).collect();
    for (place, &(at, word)) in instructions.iter().enumerate() {
        last = (at, flow(at, word));
        match last.1 {
            Flow::Jump(to) | Flow::Branch(to) | Flow::Call(to) => step(at, to),
            Flow::IndirectJump(register) if is_table(register, &recent, is_within) => {}
            Flow::IndirectJump(_) => (node.is_indirect, node.returns) = (true, true),
            Flow::IndirectCall => node.is_indirect = true,
            Flow::End => node.returns = true,
            Flow::Next => {}
        }
        match address(at, word) {
            Some(Address::Whole(to, _)) => take(to),
            Some(Address::Page(page, register)) => {
                match parts(register, instructions.iter().skip(place + 1)) {
                    Some(parts) => whole.extend(parts.iter().map(|part| page.wrapping_add(*part))),
                    None => _ = pages.insert(page),
                }
            }
            Some(Address::Offset(offset)) => _ = offsets.insert(offset),
            None => {}
        }
        recent.push_back((at, word));
        if recent.len() > TABLE_WINDOW {
            recent.pop_front();
        }
    }
    // The two halves of an address may lie far from each other: each of one is taken with each of the other, where nothing
    // shows that they do not.
    let pairs = pages.iter().flat_map(|page| offsets.iter().map(|offset: &u64| page.wrapping_add(*offset)));
    for to in pairs.chain(whole) {
        if code.at(to).and_then(|place| code.functions.get(place)).is_some_and(|f| f.range.start == to) {
            take(to);
        }
    }
    // A label runs on into the next one; the compiler ends a function behind calls that do not return.
    let runs_on = match last.1 {
        Flow::Next | Flow::Branch(_) => true,
        Flow::Call(_) | Flow::IndirectCall => function.is_label,
        Flow::Jump(_) | Flow::IndirectJump(_) | Flow::End => false,
    };
    if runs_on {
        step(last.0, function.range.end);
    }
    node
}

/// Returns the parts that are added to the page whose address was just written to `register`, if the instructions behind it show
/// all of them: they use it for nothing else, and overwrite it.
fn parts<'a>(register: u32, behind: impl Iterator<Item = &'a (u64, u32)>) -> Option<Vec<u64>> {
    let mut parts = Vec::new();
    for (_, word) in behind.take(PAGE_WINDOW) {
        let (operand, result, part) = sum(*word)?;
        if operand == register {
            // Nothing added is a copy, which goes on elsewhere.
            parts.push(part.filter(|part| *part != 0)?);
        }
        if result == register {
            return Some(parts);
        }
    }
    None
}

/// Tells whether a jump through `register` goes by a jump table: the address of a place in the same function, and what
/// stands in the table added to it.
fn is_table(register: u32, recent: &VecDeque<(u64, u32)>, is_within: impl Fn(u64) -> bool) -> bool {
    let mut sums = recent.iter().filter_map(|(_, word)| add(*word));
    let Some((base, _)) = sums.by_ref().find(|(_, sum)| *sum == register) else { return false };
    sums.all(|(_, sum)| sum != register)
        && recent.iter().any(|(at, word)| {
            matches!(address(*at, *word), Some(Address::Whole(to, register)) if register == base && is_within(to))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALL: u32 = 0x9400_0000;
    const JUMP: u32 = 0x1400_0000;
    const RET: u32 = 0xd65f_03c0;
    const NOP: u32 = 0xd503_201f;
    const BR_X1: u32 = 0xd61f_0020;
    const BLR_X1: u32 = 0xd63f_0020;
    const UNDEFINED: u32 = 0;

    /// Functions of four instructions each, from 0x1000 on: what is not given is undefined.
    fn graph(functions: &[&[u32]], is_label: bool, pointers: &[u64]) -> Graph {
        let mut bytes = Vec::new();
        for words in functions {
            for place in 0..4 {
                bytes.extend(words.get(place).copied().unwrap_or(UNDEFINED).to_le_bytes());
            }
        }
        let functions = (0x1000..).step_by(16).zip(functions);
        let functions =
            functions.map(|(at, _)| Function { names: Vec::new(), range: at..at + 16, is_label }).collect();
        Graph::new(&Code { start: 0x1000, bytes, functions, pointers: pointers.to_vec() })
    }

    fn reached(graph: &Graph) -> Vec<usize> {
        graph.reach(&[0], |place| place == 9).into_keys().collect()
    }

    #[test]
    fn calls_and_jumps_lead_on_and_nothing_else_does() {
        let nodes: [&[u32]; 4] = [&[CALL + 8, RET], &[RET], &[NOP, JUMP + 3], &[RET]];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0, 2, 3]);
    }

    #[test]
    fn what_ends_is_reached_and_not_followed() {
        let mut nodes: Vec<&[u32]> = vec![&[RET]; 11];
        nodes[0] = &[CALL + 36, RET];
        nodes[9] = &[CALL + 4, RET];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0, 9]);
    }

    #[test]
    fn an_indirect_call_may_reach_every_function_whose_address_somebody_has() {
        let nodes: [&[u32]; 4] = [&[BLR_X1, RET], &[RET], &[RET], &[RET]];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0]);
        assert_eq!(reached(&graph(&nodes, false, &[0x1020])), [0, 2]);
        // ADR x0, function 3; and ADRP x0, this page with ADD x0, x0, #0x30, far from each other.
        let nodes: [&[u32]; 4] = [&[BLR_X1, 0x1000_0160, RET], &[RET], &[RET], &[RET]];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0, 3]);
        let nodes: [&[u32]; 4] = [&[0x9000_0000, BLR_X1, 0x9100_c000, RET], &[RET], &[RET], &[RET]];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0, 3]);
    }

    #[test]
    fn the_parts_of_a_page_are_its_own_where_the_code_shows_it() {
        // ADRP x0, this page; ADD x0, x0, #0x20; ADD x2, x2, #0x30.
        let nodes: [&[u32]; 4] = [&[0x9000_0000, 0x9100_8000, 0x9100_c042, BLR_X1], &[RET], &[RET], &[RET]];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0, 2]);
        // ADD x1, x0, #0x20 leaves the page's address in x0.
        let nodes: [&[u32]; 4] = [&[0x9000_0000, 0x9100_8001, 0x9100_c042, BLR_X1], &[RET], &[RET], &[RET]];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0, 2, 3]);
        // ADD x1, x0, #0 has it in x1, too.
        let nodes: [&[u32]; 4] = [&[0x9000_0000, 0x9100_0001, 0x9100_c000, BLR_X1], &[RET], &[RET], &[RET]];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0, 3]);
    }

    #[test]
    fn a_jump_table_stays_in_its_function_and_other_jumps_do_not() {
        // ADR x1, the last instruction; ADD x1, x1, x2, LSL #2; BR x1.
        let table: &[u32] = &[0x1000_0061, 0x8b02_0821, BR_X1, RET];
        assert_eq!(reached(&graph(&[table, &[RET]], false, &[0x1010])), [0]);
        assert_eq!(reached(&graph(&[&[BR_X1], &[RET]], false, &[0x1010])), [0, 1]);
        // The sum goes to another register.
        let other: &[u32] = &[0x1000_0061, 0x8b02_0823, BR_X1, RET];
        assert_eq!(reached(&graph(&[other, &[RET]], false, &[0x1010])), [0, 1]);
    }

    #[test]
    fn labels_run_on_into_each_other() {
        let nodes: [&[u32]; 2] = [&[NOP, NOP, NOP, 0x97ff_ffff], &[RET]];
        assert_eq!(reached(&graph(&nodes, true, &[])), [0, 1]);
        let nodes: [&[u32]; 2] = [&[NOP, NOP, NOP, NOP], &[RET]];
        assert_eq!(reached(&graph(&nodes, false, &[])), [0, 1]);
    }
}

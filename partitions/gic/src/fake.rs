// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A GICv3 that behaves as the specification says: settings of interrupts decide whether, where and how often one comes. It shares
//! no layout with the driver: offsets and bits are written down here again.

use crate::Hardware;
use std::cell::{Cell, RefCell};

/// How a shared interrupt is set, and where it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) non_secure: bool,
    pub(crate) modifier: bool,
    pub(crate) enabled: bool,
    pub(crate) pending: bool,
    pub(crate) active: bool,
    pub(crate) priority: u32,
    pub(crate) configuration: u32,
    pub(crate) route: u64,
}

#[derive(Debug)]
pub(crate) struct FakeGic {
    /// All interrupts, from 0 on.
    pub(crate) lines: RefCell<Vec<Line>>,
    pub(crate) count: u32,
    pub(crate) control: Cell<u32>,
    /// The core that makes accesses.
    pub(crate) core: Cell<u64>,
    /// Reads of GICD_CTLR for which an interrupt that was switched off may still come.
    pub(crate) slow: u32,
    pub(crate) owed: Cell<u32>,
    pub(crate) reads_of_control: Cell<u32>,
    /// Interrupts below this one stay the normal world's, whatever is written.
    pub(crate) fixed_below: u32,
    pub(crate) interface: bool,
    pub(crate) ends_priority_only: bool,
    /// Cores with ICC_IGRPEN1_EL1 set.
    pub(crate) listening: RefCell<Vec<u64>>,
    /// What ICC_IAR1_EL1 returns next, whatever the lines are.
    pub(crate) odd: Cell<Option<u32>>,
    /// Interrupts that hold up others: core and INTID, by core's acknowledges.
    pub(crate) running: RefCell<Vec<(u64, u32)>>,
}

impl FakeGic {
    /// A GIC as EL3 leaves it: `count` interrupts, shared ones of the normal world, level-triggered, off.
    pub(crate) fn new(count: u32) -> Self {
        let line = Line { non_secure: true, priority: 0x80, ..Line::default() };
        Self {
            lines: RefCell::new(vec![line; count as usize]),
            count,
            control: Cell::new(1 << 4 | 1 << 5),
            core: Cell::new(0x8000_0000),
            slow: 0,
            owed: Cell::new(0),
            reads_of_control: Cell::new(0),
            fixed_below: 0,
            interface: true,
            ends_priority_only: false,
            listening: RefCell::new(Vec::new()),
            odd: Cell::new(None),
            running: RefCell::new(Vec::new()),
        }
    }

    pub(crate) fn line(&self, intid: u32) -> Line {
        self.lines.borrow()[intid as usize]
    }

    pub(crate) fn change(&self, intid: impl TryInto<usize>, change: impl FnOnce(&mut Line)) {
        let place = intid.try_into().ok().unwrap();
        change(&mut self.lines.borrow_mut()[place]);
    }

    /// A device raises its line for a moment. A level that is gone again leaves nothing.
    pub(crate) fn pulse(&self, intid: u32) {
        self.change(intid, |line| line.pending |= line.configuration & 0b10 != 0);
    }

    fn for_word(&self, first: usize, value: u32, mut change: impl FnMut(&mut Line)) {
        for (bit, line) in self.lines.borrow_mut().iter_mut().skip(first).take(32).enumerate() {
            if value & 1 << bit != 0 {
                change(line);
            }
        }
    }

    /// Gathers `width` bits of each of the interrupts of a word.
    fn gather(&self, offset: usize, base: usize, width: u32, get: impl Fn(&Line) -> u32) -> u32 {
        let per_word = 32 / width;
        let first = (offset - base) / 4 * per_word as usize;
        let lines = self.lines.borrow();
        let some = lines.iter().skip(first).take(per_word as usize);
        some.zip(0..).fold(0, |word, (line, place)| word | get(line) << (place * width))
    }

    fn scatter(&self, offset: usize, base: usize, width: u32, value: u32, set: impl Fn(&mut Line, u32)) {
        let per_word = 32 / width;
        let first = (offset - base) / 4 * per_word as usize;
        let ones = u32::MAX >> (32 - width);
        for (place, line) in (0..per_word).zip(self.lines.borrow_mut().iter_mut().skip(first)) {
            set(line, value >> (place * width) & ones);
        }
    }
}

impl Hardware for &FakeGic {
    fn read32(&self, offset: usize) -> u32 {
        match offset {
            0 => {
                self.reads_of_control.set(self.reads_of_control.get() + 1);
                let owed = self.owed.get();
                self.owed.set(owed.saturating_sub(1));
                self.control.get() | if owed > 0 { 1 << 31 } else { 0 }
            }
            // Other bits of GICD_TYPER than the number of interrupts are set, too.
            4 => 0x037b_0400 | (self.count.div_ceil(32) - 1),
            0x080..0x100 => self.gather(offset, 0x080, 1, |line| line.non_secure.into()),
            0x100..0x200 => self.gather(offset & 0x17f, 0x100, 1, |line| line.enabled.into()),
            0x400..0x800 => self.gather(offset, 0x400, 8, |line| line.priority),
            0xc00..0xd00 => self.gather(offset, 0xc00, 2, |line| line.configuration),
            0xd00..0xd80 => self.gather(offset, 0xd00, 1, |line| line.modifier.into()),
            _ => panic!("read of {offset:#x}"),
        }
    }

    fn write32(&self, offset: usize, value: u32) {
        let first = (offset & 0x7f) * 8;
        match offset {
            0 => self.control.set(value & !(1 << 31)),
            0x080..0x100 => {
                let fixed = self.fixed_below;
                let lines = &mut *self.lines.borrow_mut();
                for (intid, line) in (0_u32..).zip(lines.iter_mut()).skip(first).take(32) {
                    line.non_secure =
                        if intid < fixed { line.non_secure } else { value & 1 << (intid % 32) != 0 };
                }
            }
            0x100..0x180 => self.for_word(first, value, |line| line.enabled = true),
            0x180..0x200 => {
                self.owed.set(self.slow);
                self.for_word(first, value, |line| line.enabled = false);
            }
            0x280..0x300 => self.for_word(first, value, |line| line.pending = false),
            0x380..0x400 => self.for_word(first, value, |line| line.active = false),
            0x400..0x800 => self.scatter(offset, 0x400, 8, value, |line, bits| line.priority = bits),
            0xc00..0xd00 => self.scatter(offset, 0xc00, 2, value, |line, bits| line.configuration = bits),
            0xd00..0xd80 => self.scatter(offset, 0xd00, 1, value, |line, bits| line.modifier = bits != 0),
            _ => panic!("write of {value:#x} to {offset:#x}"),
        }
    }

    fn write64(&self, offset: usize, value: u64) {
        assert!((0x6100..0x7fe0).contains(&offset), "write of {value:#x} to {offset:#x}");
        self.change((offset - 0x6000) / 8, |line| line.route = value);
    }

    fn has_interface(&self) -> bool {
        self.interface
    }

    fn mpidr(&self) -> u64 {
        self.core.get()
    }

    fn enable_group_1(&self) {
        self.listening.borrow_mut().push(self.core.get());
    }

    fn acknowledge(&self) -> u32 {
        if let Some(odd) = self.odd.take() {
            return odd;
        }
        let core = self.core.get();
        let holds_up = self.running.borrow().iter().any(|(other, _)| *other == core);
        if self.control.get() & 1 << 2 == 0 || holds_up || !self.listening.borrow().contains(&core) {
            return 1023;
        }
        let mut lines = self.lines.borrow_mut();
        let comes = lines.iter_mut().zip(0..).find(|(line, _)| {
            let signalled = line.enabled && line.pending && !line.active;
            signalled && !line.non_secure && line.modifier && line.route == core & 0xff_00ff_ffff
        });
        let Some((line, intid)) = comes else { return 1023 };
        (line.pending, line.active) = (false, true);
        self.running.borrow_mut().push((core, intid));
        intid
    }

    fn end(&self, intid: u32) {
        let last = self.running.borrow_mut().pop();
        assert_eq!(last, Some((self.core.get(), intid)), "ended out of order");
        if !self.ends_priority_only {
            self.change(intid, |line| line.active = false);
        }
    }

    fn ends_priority_only(&self) -> bool {
        self.ends_priority_only
    }

    fn deactivate(&self, intid: u32) {
        // Where EOImode is clear this is unpredictable.
        assert!(self.ends_priority_only);
        self.change(intid, |line| line.active = false);
    }
}

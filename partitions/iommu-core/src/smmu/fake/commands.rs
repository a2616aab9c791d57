// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Commands: fetched one at a time, in order, and without effect until a CMD_SYNC behind them completes (chapter 4).

use super::State;
use super::registers::CMDQEN;

const CMDQ_ERR: u64 = 1;
const ILLEGAL: u64 = 1;
const FETCH_ABORT: u64 = 2;
const SYNC: u64 = 0x46;

impl State {
    fn command_ring(&self) -> (u64, u64) {
        let log2 = self.registers.cmdq_base & 0x1f;
        let entries = 1 << log2;
        let base = self.registers.cmdq_base & 0x00ff_ffff_ffff_ffe0 & !(entries * 16 - 1);
        (base, entries)
    }

    pub(super) fn check_producer(&mut self) {
        if self.registers.cr0.effective & CMDQEN == 0 {
            return;
        }
        let (_, entries) = self.command_ring();
        let ahead = self.registers.cmdq_prod.wrapping_sub(self.registers.cmdq_cons) & (2 * entries - 1);
        if ahead > entries {
            self.violate(format!("command producer is {ahead} ahead in a queue of {entries}"));
        }
    }

    pub(super) fn step_commands(&mut self) {
        let stopped = (self.registers.gerror ^ self.registers.gerrorn) & CMDQ_ERR != 0;
        if self.registers.cr0.effective & CMDQEN == 0 || stopped || self.faults.commands_stuck {
            return;
        }
        let (base, entries) = self.command_ring();
        let index = self.registers.cmdq_cons & (2 * entries - 1);
        if index == self.registers.cmdq_prod & (2 * entries - 1) {
            return;
        }
        if self.command_countdown < self.faults.command_delay {
            self.command_countdown += 1;
            return;
        }
        self.command_countdown = 0;
        let address = base + (index & (entries - 1)) * 16;
        let number = self.fetched;
        self.fetched += 1;
        let (Some(low), Some(high)) = (self.fetch(address), self.fetch(address + 8)) else {
            return self.stop(FETCH_ABORT);
        };
        if self.faults.fetch_aborts {
            return self.stop(FETCH_ABORT);
        }
        if self.faults.illegal.contains(&number) || !self.is_legal(low, high) {
            return self.stop(ILLEGAL);
        }
        self.unsynced.push_back([low, high]);
        if low & 0xff == SYNC {
            self.complete();
        }
        self.registers.cmdq_cons = (index + 1) & (2 * entries - 1);
    }

    fn stop(&mut self, reason: u64) {
        self.registers.cmdq_cons = self.registers.cmdq_cons & 0xf_ffff | reason << 24;
        self.raise(CMDQ_ERR);
    }

    /// Tells whether reserved bits are zero, for the commands that exist here.
    fn is_legal(&self, low: u64, high: u64) -> bool {
        let by_range = self.idr[3] >> 10 & 1 == 1;
        let vmid = 0x0000_ffff_0000_0000;
        let asid = 0xffff_0000_0000_0000;
        let (stage1, stage2) = (self.idr[0] & 2 != 0, self.idr[0] & 1 != 0);
        match low & 0xff {
            // CFGI_STE: stream ID, Leaf.
            0x03 => low & 0xffff_ff00 == 0 && high & !1 == 0,
            // CFGI_STE_RANGE: stream ID, Range.
            0x04 => low & 0xffff_ff00 == 0 && high & !0x1f == 0,
            // CFGI_CD: stream ID, Leaf; no substream.
            0x05 => stage1 && low & 0xffff_ff00 == 0 && high & !1 == 0,
            // CFGI_CD_ALL.
            0x06 => stage1 && low & 0xffff_ff00 == 0 && high == 0,
            // TLBI_NH_ALL.
            0x10 => stage1 && low & !(if stage2 { vmid } else { 0 }) == 0x10 && high == 0,
            // TLBI_NH_ASID.
            0x11 => stage1 && low & !asid & !(if stage2 { vmid } else { 0 }) == 0x11 && high == 0,
            // TLBI_EL2_ALL, where there are such entries.
            0x20 => self.idr[0] >> 9 & 1 == 1 && low == 0x20 && high == 0,
            // TLBI_S12_VMALL.
            0x28 => stage2 && low & !vmid == 0x28 && high == 0,
            // TLBI_NH_VA and TLBI_S2_IPA: SCALE, NUM, TG and TTL only with range invalidation, and only where TG says so.
            0x12 | 0x13 | 0x2a => {
                let (there, tag) = match low & 0xff {
                    0x12 => (stage1, asid | if stage2 { vmid } else { 0 }),
                    0x13 => (stage1, if stage2 { vmid } else { 0 }),
                    _ => (stage2, vmid),
                };
                let arguments = low & 0x03f1_f000 | high & 0x0f00;
                let is_range = high >> 10 & 3 != 0;
                // A range of one granule at any level is reserved (4.4.1.1).
                let is_reserved = low & 0x01f1_f000 == 0 && high >> 8 & 3 == 0;
                there
                    && low & 0xff == low & !(tag | 0x03f1_f000)
                    && high & 0xfe == 0
                    && (arguments == 0 || by_range && is_range && !is_reserved)
            }
            // TLBI_NSNH_ALL.
            0x30 => low == 0x30 && high == 0,
            // SYNC without a signal.
            SYNC => low == SYNC && high == 0,
            _ => false,
        }
    }

    /// Gives effect to all that was consumed.
    fn complete(&mut self) {
        while let Some([low, high]) = self.unsynced.pop_front() {
            match low & 0xff {
                0x03 => self.forget_stream(u32::try_from(low >> 32).unwrap()),
                0x04 if high & 0x1f == 31 => self.cached.clear(),
                0x05 => self.forget_context(u32::try_from(low >> 32).unwrap()),
                0x11 | 0x12 | 0x28 | 0x2a | 0x30 => self.forget_translations(low, high),
                _ => {}
            }
            self.completed.push([low, high]);
        }
    }

    /// Reports an illegal command at some place of the queue.
    pub(crate) fn report_illegal_at(&mut self, index: u64) {
        self.registers.cmdq_cons = index;
        self.stop(ILLEGAL);
    }

    /// Overwrites what stands in the queue at the consumer, as somebody else with access to it could.
    pub(crate) fn tamper_with_next_command(&mut self, command: [u64; 2]) {
        let (base, entries) = self.command_ring();
        let address = base + (self.registers.cmdq_prod & (entries - 1)) * 16;
        self.store(address, command[0]);
        self.store(address + 8, command[1]);
    }
}

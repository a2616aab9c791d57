// SPDX-License-Identifier: Apache-2.0 OR MIT
//! The runtime state of a vCPU, an execution context of a partition (FF-A 1.2 §8), and who may run it.
//!
//! The state is one atomic: whoever moves it from `Waiting` to `Running` owns the vCPU's registers until it moves it
//! back. A vCPU of a partition with several is pinned to the core of its number; the only one of a partition with one
//! runs on whichever core asks first.

use core::sync::atomic::{AtomicU8, AtomicU64, Ordering};

use crate::endpoint::EndpointId;

/// What a vCPU does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VcpuState {
    /// It was never entered.
    Off,
    /// It waits for a message.
    Waiting,
    /// A core runs it, or is about to.
    Running,
    /// It sent a direct request and waits for the response.
    Blocked,
    /// Its partition failed. It never runs again.
    Stopped,
}

impl VcpuState {
    const fn encode(self) -> u8 {
        match self {
            Self::Off => 0,
            Self::Waiting => 1,
            Self::Running => 2,
            Self::Blocked => 3,
            Self::Stopped => 4,
        }
    }

    const fn decode(value: u8) -> Self {
        match value {
            0 => Self::Off,
            1 => Self::Waiting,
            2 => Self::Running,
            3 => Self::Blocked,
            _ => Self::Stopped,
        }
    }
}

/// A direct request that a vCPU is working on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Who gets the response.
    pub sender: EndpointId,
    /// Whether it was a 64-bit call; the response has to be one, too.
    pub is_64bit: bool,
}

impl OpenRequest {
    const OPEN: u64 = 1 << 32;
    const WIDE: u64 = 1 << 16;

    #[inline(always)]
    const fn encode(self) -> u64 {
        let wide = if self.is_64bit { Self::WIDE } else { 0 };
        Self::OPEN | wide | self.sender.0 as u64
    }

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "takes a word apart")]
    const fn decode(value: u64) -> Option<Self> {
        if value & Self::OPEN == 0 {
            return None;
        }
        Some(Self { sender: EndpointId(value as u16), is_64bit: value & Self::WIDE != 0 })
    }
}

/// State of one vCPU.
#[derive(Debug)]
pub struct Vcpu {
    state: AtomicU8,
    request: AtomicU64,
}

impl Default for Vcpu {
    fn default() -> Self {
        Self { state: AtomicU8::new(VcpuState::Off.encode()), request: AtomicU64::new(0) }
    }
}

impl Vcpu {
    /// Returns the state at this moment; another core may change it.
    #[must_use]
    pub fn state(&self) -> VcpuState {
        VcpuState::decode(self.state.load(Ordering::Acquire))
    }

    /// Moves from one state to another.
    ///
    /// # Errors
    /// The state that it is in instead of `from`.
    #[inline(always)]
    pub fn transition(&self, from: VcpuState, to: VcpuState) -> Result<(), VcpuState> {
        self.state
            .compare_exchange(from.encode(), to.encode(), Ordering::AcqRel, Ordering::Acquire)
            .map(|_| ())
            .map_err(VcpuState::decode)
    }

    /// Notes the request that it works on from now, or none. Only whoever runs the vCPU.
    #[inline(always)]
    pub fn set_request(&self, request: Option<OpenRequest>) {
        self.request.store(request.map_or(0, OpenRequest::encode), Ordering::Relaxed);
    }

    /// Returns the request that it works on. Only whoever runs the vCPU.
    #[inline(always)]
    #[must_use]
    pub fn request(&self) -> Option<OpenRequest> {
        OpenRequest::decode(self.request.load(Ordering::Relaxed))
    }

    /// Stops it, whatever it does. If a core runs it, that core must not enter it again.
    pub fn stop(&self) {
        self.state.store(VcpuState::Stopped.encode(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_of_two_gets_it() {
        let vcpu = Vcpu::default();
        assert_eq!(vcpu.transition(VcpuState::Waiting, VcpuState::Running), Err(VcpuState::Off));
        vcpu.transition(VcpuState::Off, VcpuState::Waiting).unwrap();
        let wins: usize = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..4)
                .map(|_| scope.spawn(|| vcpu.transition(VcpuState::Waiting, VcpuState::Running).is_ok()))
                .collect();
            tries.into_iter().map(|thread| usize::from(thread.join().unwrap())).sum()
        });
        assert_eq!(wins, 1);
    }

    #[test]
    fn stopped_is_the_end() {
        let vcpu = Vcpu::default();
        vcpu.stop();
        for from in [VcpuState::Off, VcpuState::Waiting, VcpuState::Running, VcpuState::Blocked] {
            assert_eq!(vcpu.transition(from, VcpuState::Running), Err(VcpuState::Stopped));
        }
    }

    #[test]
    fn every_request_is_kept_exactly() {
        let vcpu = Vcpu::default();
        assert_eq!(vcpu.request(), None);
        for id in [0, 1, 0x7fff, 0x8001, 0xffff] {
            for is_64bit in [false, true] {
                let request = OpenRequest { sender: EndpointId(id), is_64bit };
                vcpu.set_request(Some(request));
                assert_eq!(vcpu.request(), Some(request));
            }
        }
        vcpu.set_request(None);
        assert_eq!(vcpu.request(), None);
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! A partition of the conformance suite: it does its side of a case when it is asked to, and knows nothing itself.
//!
//! One image serves all partitions of the suite; which version it speaks stands in its manifest.
#![no_std]
#![no_main]

mod alarm;
mod lent;
mod pages;
mod side;
mod vcpu;

use arm_ffa::{FuncId, Version};
use conformance::chapters::negotiate;
use conformance::endpoint::{call, ids};
use conformance::exchange::{Told, answer_32, answer2, secret, serve, told};
use conformance::partner::Partner;
use core::convert::Infallible;
use side::{Side, enter, take_interrupts};
use sp_runtime::{BootInfo, CallError, EndpointId, Manifest, Partition, Received, VcpuId, partition};
use vcpu::Vcpu;

struct ConformanceSp {
    id: EndpointId,
    version: Version,
}

/// The property of the manifest that names the version to speak.
const VERSION: &str = "ffa-version";
const REQUEST2: u64 = FuncId::MsgSendDirectReq64_2 as u64;
const REQUEST_32: u64 = FuncId::MsgSendDirectReq32 as u64;
/// w2 of a message of the partition manager itself.
const FRAMEWORK_MESSAGE: u64 = 1 << 31;
const INTERRUPT: u64 = FuncId::Interrupt32 as u64;
const WAIT: u64 = FuncId::MsgWait32 as u64;
const RUN: u64 = FuncId::Run32 as u64;

/// Reads it; without one, FF-A 1.2 is spoken.
fn version(property: Option<&[u8]>) -> Version {
    let word = property.and_then(|bytes| bytes.try_into().ok()).map(u32::from_be_bytes);
    word.and_then(|word| Version::try_from(word).ok()).unwrap_or(Version(1, 2))
}

impl ConformanceSp {
    fn side(&self, vcpu: VcpuId, foreign: [u64; 2]) -> Side {
        Side::new(self.id, self.version, Vcpu::of(vcpu), foreign)
    }
}

impl Partition for ConformanceSp {
    type Error = Infallible;

    fn negotiate_version(manifest: &Manifest) -> Result<(), CallError> {
        let version = version(manifest.property(VERSION));
        // No step of it needs the ID, which is not known yet.
        let mut side = Side::new(EndpointId(0), version, Vcpu::first(), [0; 2]);
        // What came of it is asked for later, by the case that it belongs to.
        *Vcpu::first().outcome.lock() = told(negotiate(&mut side).map(|()| [0; 4]));
        let asked = call(&mut side, FuncId::Version, &[u64::from(u32::from(version))]);
        match Version::try_from(asked.w(0)) {
            Ok(Version(1, minor)) if minor >= version.1 => Ok(()),
            Ok(other) => Err(CallError::Version(other)),
            Err(_) => Err(CallError::Unexpected(asked.w(0))),
        }
    }

    fn start(boot: &BootInfo) -> Result<Self, Self::Error> {
        alarm::open(boot);
        Ok(Self { id: boot.id(), version: version(boot.property(VERSION)) })
    }

    fn direct_request(&self, vcpu: VcpuId, _: EndpointId, request: [u64; 5]) -> [u64; 5] {
        let [_, spmc, other_world, ..] = request;
        serve(&mut self.side(vcpu, [spmc, other_world]), request)
    }

    fn direct_request_32(&self, vcpu: VcpuId, _: EndpointId, request: [u32; 5]) -> [u32; 5] {
        answer_32(&mut self.side(vcpu, [0; 2]), request)
    }

    /// Gives the core back with secrets in x8 to x17, and sees to what the runtime does not know.
    fn exchange(&self, vcpu: VcpuId, registers: [u64; 8]) -> Received {
        let own = Vcpu::of(vcpu);
        let mut next = [0; 18];
        for (number, register) in next.iter_mut().enumerate() {
            *register = registers.get(number).copied().unwrap_or(secret(number));
        }
        loop {
            let entered = enter(next);
            *own.arrival.lock() = entered;
            let [x0, x1, x2, x3, x4, x5, x6, x7, ..] = entered;
            match x0 {
                REQUEST2 => next = answer2(&entered),
                INTERRUPT => {
                    take_interrupts(own, [x1, x2]);
                    // What the partition leaves behind is the same as ever.
                    for (number, register) in next.iter_mut().enumerate() {
                        *register = if number < 8 { 0 } else { secret(number) };
                    }
                    let [function, ..] = &mut next;
                    *function = WAIT;
                }
                REQUEST_32 if x2 & FRAMEWORK_MESSAGE != 0 => {
                    let statuses = self.try_to_leave(vcpu);
                    let message = [x0, x1, x2, x3, x4, x5, x6, x7];
                    let mut told = own.told_off.lock();
                    *told = Told { count: told.count + 1, message, statuses };
                    // The runtime agrees.
                    return entered;
                }
                RUN => {
                    if let Some(request) = own.kept.lock().take() {
                        *own.outcome.lock() = serve(&mut self.side(vcpu, [0; 2]), request);
                    }
                    // The runtime waits again.
                    return entered;
                }
                _ => return entered,
            }
        }
    }
}

impl ConformanceSp {
    /// Tries whatever would give the core to others before a message of the SPMC is answered. Returns w2 of the answers.
    fn try_to_leave(&self, vcpu: VcpuId) -> [u64; 3] {
        let mut side = self.side(vcpu, [0; 2]);
        let request = [ids(self.id.0, Partner::PeerUp.id())];
        let run = [ids(Partner::PeerUp.id(), 0)];
        [
            call(&mut side, FuncId::MsgSendDirectReq64, &request).x(2),
            call(&mut side, FuncId::Run32, &run).x(2),
            call(&mut side, FuncId::Yield32, &[]).x(2),
        ]
    }
}

partition!(ConformanceSp);

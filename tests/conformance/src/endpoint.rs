// SPDX-License-Identifier: Apache-2.0 OR MIT
//! An endpoint as a case sees it: it makes calls, and has pages for buffers. Both worlds implement it.

use crate::case::{Instance, Spmc};
use crate::outcome::{Failure, Outcome, ensure};
use crate::partner::Partner;
use arm_ffa::{FfaError, FuncId};

/// x0 to x17.
pub type Registers = [u64; 18];

/// Bytes of a page.
pub const PAGE: u64 = 4096;
/// Pages that each endpoint has for buffers, one behind the other. The first is where cases let their RX buffer be, the
/// second their TX buffer.
pub const PAGES: u64 = 8;

/// Pages of the normal world behind these, which cases send to partitions and nobody writes.
pub const SPARE_PAGES: u64 = 1024;

/// An address that is not the endpoint's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Foreign {
    /// RAM of the SPMC.
    Spmc,
    /// RAM of the other world.
    OtherWorld,
}

/// An endpoint.
pub trait Endpoint {
    /// Calls the SPMC.
    fn call(&mut self, registers: Registers) -> Registers;
    /// Returns the ID that the suite knows it by.
    fn id(&self) -> u16;
    /// Returns where it is and what it speaks.
    fn instance(&self) -> Instance;
    /// Returns the SPMC that it calls.
    fn spmc(&self) -> Spmc;
    /// Returns the partitions that there are.
    fn partners(&self) -> &'static [Partner] {
        match self.spmc() {
            Spmc::Spm => &Partner::ALL,
            Spmc::El3 => &[Partner::PeerMp],
        }
    }
    /// Returns the address of the first of its [`PAGES`].
    fn pages(&self) -> u64;
    /// Reads from its pages, at an offset in bytes.
    fn read(&self, offset: u64, bytes: &mut [u8]);
    /// Writes to its pages, at an offset in bytes.
    fn write(&mut self, offset: u64, bytes: &[u8]);
    /// Returns a page that is not its own.
    fn foreign(&self, which: Foreign) -> u64;
    /// Returns a number that nobody could have guessed.
    fn random(&mut self) -> u64;
}

/// What came back from a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer(pub Registers);

impl Answer {
    /// Returns register xN.
    #[must_use]
    pub fn x(&self, number: usize) -> u64 {
        self.0.get(number).copied().unwrap_or_default()
    }

    /// Returns register wN.
    #[must_use]
    #[expect(clippy::cast_possible_truncation, reason = "that is its purpose")]
    pub fn w(&self, number: usize) -> u32 {
        self.x(number) as u32
    }

    const fn seen(&self) -> [u64; 3] {
        let [x0, x1, x2, ..] = self.0;
        [x0, x1, x2]
    }

    /// Requires a function.
    ///
    /// # Errors
    /// Another came back.
    #[track_caller]
    pub fn is(&self, function: FuncId) -> Outcome {
        if self.w(0) == u32::from(function) { Ok(()) } else { Err(Failure::here(self.seen())) }
    }

    /// Requires FFA_SUCCESS, of either width, with nothing in w1 (table 12.7).
    ///
    /// # Errors
    /// Another function came back.
    #[track_caller]
    pub fn success(&self) -> Outcome {
        let success = [FuncId::Success32, FuncId::Success64].map(u32::from).contains(&self.w(0));
        if success && self.w(1) == 0 { Ok(()) } else { Err(Failure::here(self.seen())) }
    }

    /// Requires FFA_ERROR with a status (tables 12.2 and 12.4), and nothing in the registers that it does not define.
    ///
    /// # Errors
    /// Something else came back.
    #[track_caller]
    pub fn error(&self, status: FfaError) -> Outcome {
        let error = self.w(0) == u32::from(FuncId::Error32) && self.w(1) == 0;
        let code = self.w(2) == i32::from(status).cast_unsigned();
        let rest = (3..8).all(|number| self.w(number) == 0);
        if error && code && rest { Ok(()) } else { Err(Failure::here(self.seen())) }
    }

    /// Requires FFA_ERROR with one of two statuses, where the specification leaves the choice.
    ///
    /// # Errors
    /// Something else came back.
    #[track_caller]
    pub fn error_of(&self, statuses: &[FfaError]) -> Outcome {
        match statuses.iter().any(|status| self.error(*status).is_ok()) {
            true => Ok(()),
            false => Err(Failure::here(self.seen())),
        }
    }
}

/// Makes a call with x1 and further as given, and zero behind.
pub fn call(endpoint: &mut dyn Endpoint, function: FuncId, arguments: &[u64]) -> Answer {
    call_id(endpoint, u32::from(function), arguments)
}

/// As [`call`], by the number of a function that need not be one.
///
/// TF-A's SPMC leaves x1 to x7 as the caller had them where it has nothing to put there. So that this shows where a case is
/// about it, and not wherever something succeeds, what is still as it was counts as nothing here.
pub fn call_id(endpoint: &mut dyn Endpoint, function: u32, arguments: &[u64]) -> Answer {
    let mut registers = [0; 18];
    let [x0, rest @ ..] = &mut registers;
    *x0 = u64::from(function);
    rest.iter_mut().zip(arguments).for_each(|(register, value)| *register = *value);
    let mut answer = endpoint.call(registers);
    if endpoint.spmc() == Spmc::El3 {
        let before = registers.iter().take(8).skip(1);
        answer
            .iter_mut()
            .skip(1)
            .zip(before)
            .filter(|(now, before)| now == before)
            .for_each(|(now, _)| *now = 0);
    }
    Answer(answer)
}

/// Returns the address of the page that cases let their RX buffer be.
pub fn rx(endpoint: &dyn Endpoint) -> u64 {
    endpoint.pages()
}

/// Returns the address of the page that cases let their TX buffer be.
pub fn tx(endpoint: &dyn Endpoint) -> u64 {
    endpoint.pages() + PAGE
}

/// Maps a pair of one page each.
///
/// # Errors
/// The SPMC does not.
#[track_caller]
pub fn map_buffers(endpoint: &mut dyn Endpoint) -> Outcome {
    let (rx, tx) = (rx(endpoint), tx(endpoint));
    call(endpoint, FuncId::RxTxMap64, &[tx, rx, 1]).success()
}

/// Brings an endpoint to the state in which each case begins: no buffers.
///
/// # Errors
/// The SPMC takes buffers away, and has them still.
#[track_caller]
pub fn reset(endpoint: &mut dyn Endpoint) -> Outcome {
    // Both fail where there is nothing to release or to unmap, which is what is wanted.
    let _ = call(endpoint, FuncId::RxRelease, &[]);
    let _ = call(endpoint, FuncId::RxTxUnmap, &[]);
    let again = call(endpoint, FuncId::RxTxUnmap, &[]);
    ensure(again.w(0) == u32::from(FuncId::Error32), again.seen())
}

/// Sender and receiver as w1 of a message holds them.
#[must_use]
pub const fn ids(sender: u16, receiver: u16) -> u64 {
    (sender as u64) << 16 | receiver as u64
}

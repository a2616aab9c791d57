// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Memory transactions of FF-A 1.2 (DEN 0140): borrows what others send, and sends a page that is there for that.
#![expect(unsafe_code, reason = "makes calls that share and unmap memory")]

use core::sync::atomic::{AtomicU16, AtomicU64, Ordering};

use sp_runtime::EndpointId;
use sp_runtime::time::ticks;

use crate::buffers;
use crate::protocol::Status;

const ERROR: u64 = 0x8400_0060;
const RX_RELEASE: u32 = 0x8400_0065;
const RXTX_MAP: u32 = 0xc400_0066;
const DONATE: u32 = 0x8400_0071;
const LEND: u32 = 0x8400_0072;
const SHARE: u32 = 0x8400_0073;
const RETRIEVE: u32 = 0x8400_0074;
const RELINQUISH: u32 = 0x8400_0076;
const RECLAIM: u32 = 0x8400_0077;

/// Words of a transaction descriptor before its access array, of an entry of that, and of what follows.
const HEADER: usize = 6;
const ACCESS: usize = 4;
const COMPOSITE: usize = 2;
const LOW: u64 = 0xffff_ffff;

/// The page that can be sent. It is reached while it is this partition's alone or shared: when another has it instead, this
/// partition is stopped for trying, and nothing else happens.
#[repr(C, align(4096))]
struct Page([AtomicU64; 512]);
static PAGE: Page = Page([const { AtomicU64::new(0) }; 512]);
static ID: AtomicU16 = AtomicU16::new(0);

/// Remembers whose memory this is.
pub(crate) fn start(id: EndpointId) {
    ID.store(id.0, Ordering::Relaxed);
}

/// Retrieves the memory of `handle`, which `sender` (bits 15–0) sent, by the permissions in bits 23–16. Answers with ticks,
/// the first address, how many pages there are, and attributes (bits 15–0) and permissions (23–16).
pub(crate) fn retrieve(handle: u64, sender: u64) -> [u64; 5] {
    map_buffers();
    let entry = own_entry() | sender & 0xff_0000;
    buffers::write(&[sender & 0xffff, handle, 0, 32 | 1 << 32, 48, 0, entry, 0, 0, 0]);
    let length = (HEADER + ACCESS) as u64 * 8;
    let (answer, ticks) = call(RETRIEVE, [length, length, 0]);
    if let Some(status) = refused(&answer) {
        return [status, ticks, 0, 0, 0];
    }
    let granted = buffers::word(HEADER) & 0xff_0000;
    let attributes = buffers::word(0) >> 16 & 0xffff;
    let pages = buffers::word(HEADER + ACCESS) & LOW;
    let first = buffers::word(HEADER + ACCESS + COMPOSITE);
    let (released, _) = call(RX_RELEASE, [0; 3]);
    [refused(&released).unwrap_or(0), ticks, first, pages, attributes | granted]
}

/// Gives it back. Answers with ticks.
pub(crate) fn relinquish(handle: u64, flags: u64) -> [u64; 5] {
    map_buffers();
    buffers::write(&[handle, flags & LOW | 1 << 32, own_entry()]);
    let (answer, ticks) = call(RELINQUISH, [0; 3]);
    [refused(&answer).unwrap_or(0), ticks, 0, 0, 0]
}

/// Sends the page to `receiver`, having written `pattern` to it. Answers with the handle.
pub(crate) fn send(function: u64, receiver: u64, pattern: u64) -> [u64; 5] {
    let (function, permissions) = match u32::try_from(function) {
        Ok(function @ (SHARE | LEND)) => (function, 0b10),
        Ok(function @ DONATE) => (function, 0),
        _ => return Status::InvalidParameters.answer(),
    };
    map_buffers();
    let [first, ..] = &PAGE.0;
    first.store(pattern, Ordering::Relaxed);
    let composite_at = (HEADER + ACCESS) as u64 * 8;
    let entry = receiver & 0xffff | permissions << 16 | composite_at << 32;
    let page = PAGE.0.as_ptr() as u64;
    let header = [own_entry(), 0, 0, 32 | 1 << 32, 48, 0];
    let [sender, handle, tag, sizes, offset, reserved] = header;
    buffers::write(&[sender, handle, tag, sizes, offset, reserved, entry, 0, 0, 0, 1 | 1 << 32, 0, page, 1]);
    let length = (HEADER + ACCESS + COMPOSITE + 2) as u64 * 8;
    let (answer, _) = call(function, [length, length, 0]);
    match refused(&answer) {
        Some(status) => [status, 0, 0, 0, 0],
        None => [0, answer[2] & LOW | answer[3] << 32, 0, 0, 0],
    }
}

/// Takes the page back. Answers with what stands in it.
pub(crate) fn reclaim(handle: u64) -> [u64; 5] {
    let (answer, _) = call(RECLAIM, [handle & LOW, handle >> 32, 0]);
    if let Some(status) = refused(&answer) {
        return [status, 0, 0, 0, 0];
    }
    let [first, ..] = &PAGE.0;
    [0, first.load(Ordering::Relaxed), 0, 0, 0]
}

fn own_entry() -> u64 {
    u64::from(ID.load(Ordering::Relaxed))
}

/// Registers the buffers, if they are not.
fn map_buffers() {
    let (rx, tx) = buffers::addresses();
    let (_, _) = call(RXTX_MAP, [tx, rx, 1]);
}

/// Returns the status of FFA_ERROR, sign-extended.
fn refused(answer: &[u64; 18]) -> Option<u64> {
    let [function, _, status, ..] = answer;
    let status = u32::try_from(status & LOW).unwrap_or_default().cast_signed();
    (function & LOW == ERROR).then(|| i64::from(status).cast_unsigned())
}

/// Makes a call; returns the answer, and how many ticks it took.
fn call(function: u32, [x1, x2, x3]: [u64; 3]) -> ([u64; 18], u64) {
    let mut arguments = [0; 17];
    [arguments[0], arguments[1], arguments[2]] = [x1, x2, x3];
    let before = ticks();
    // SAFETY: 1. The buffers are atomic words. 2. Descriptors in them name no memory of the image but `PAGE`, whose words are
    // atomic, and whose loss only stops this partition. 3. What is retrieved is reached by nothing here.
    let answer = unsafe { sp_runtime::call(function, arguments) };
    (answer, ticks().wrapping_sub(before))
}

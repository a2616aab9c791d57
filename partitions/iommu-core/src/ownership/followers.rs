// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is told of pages that the kernel loses or gains, inside of the move: what gives devices all that the kernel may use
//! without a mapping for each page.

use ffa_abi::{Pages, Status};

/// Who is told. Calls come under the lock of moves, for pages that are marked as moving or have just moved.
pub trait Followers {
    /// The kernel is about to lose pages. When this has returned, no device of its reaches them but by what is pinned.
    ///
    /// # Errors
    /// Why devices may reach them still. The move is not made then.
    fn lose(&self, pages: Pages) -> Result<(), Status>;

    /// The kernel may use pages from now on.
    fn gain(&self, pages: Pages);
}

/// Nobody follows.
#[derive(Clone, Copy, Debug)]
pub struct NoFollowers;

impl Followers for NoFollowers {
    fn lose(&self, _pages: Pages) -> Result<(), Status> {
        Ok(())
    }

    fn gain(&self, _pages: Pages) {}
}

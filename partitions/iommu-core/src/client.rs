// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Who is served: roles that endpoint IDs stand for, and those that the hypervisor's key does.

use crate::ownership::Holder;

/// The normal world's first endpoint: the kernel, or the hypervisor it runs on (FF-A 1.2, 6.1).
const HOST: u16 = 0;

/// A role. The ID says from which world a message came; which normal-world program sent it, it does not prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// The kernel that owns managed memory.
    Host,
    /// The hypervisor, or a guest that it speaks for: no endpoint ID stands for them, but the key does.
    Held(Holder),
}

impl Client {
    /// Returns the role of an endpoint, or `None` for those that have none here: partitions (bit 15 set), which no
    /// policy names, and normal-world endpoints that nobody speaks for.
    #[must_use]
    pub const fn of(endpoint: u16) -> Option<Self> {
        match endpoint {
            HOST => Some(Self::Host),
            _ => None,
        }
    }

    /// Returns the endpoint that shares memory for it.
    #[must_use]
    pub const fn endpoint(self) -> u16 {
        match self {
            Self::Host | Self::Held(_) => HOST,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_host_has_a_role() {
        assert_eq!(Client::of(0), Some(Client::Host));
        for endpoint in [1, 0x7fff, 0x8000, 0x8001, 0xffff] {
            assert_eq!(Client::of(endpoint), None);
        }
    }
}

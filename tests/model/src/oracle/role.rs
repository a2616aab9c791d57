// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Whether there is a hypervisor, its key, and who is served before and after it has claimed its role.

use ffa_abi::{HypMessage, Request, Response, Status};

/// What the source of random numbers gave to a call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) words: Vec<u64>,
    /// Whether it had none at some time.
    pub(crate) failed: bool,
}

/// What is known of the role.
#[derive(Debug)]
pub(super) struct Role {
    required: bool,
    key: Option<[u64; 2]>,
    /// Messages with a wrong key.
    wrong: u64,
}

impl Role {
    pub(super) const fn new(required: bool) -> Self {
        Self { required, key: None, wrong: 0 }
    }

    pub(super) const fn key(&self) -> Option<[u64; 2]> {
        self.key
    }

    pub(super) const fn is_awaited(&self) -> bool {
        self.required && self.key.is_none()
    }

    /// Returns what a request of the kernel's has to be answered, whatever it asks for.
    pub(super) const fn kernel(&self, request: &Request) -> Result<(), Status> {
        let open = matches!(
            request,
            Request::Version(_) | Request::Features | Request::DeviceDescribe { .. } | Request::Claim
        );
        if self.is_awaited() && !open { Err(Status::NotReady) } else { Ok(()) }
    }

    /// Returns what a message of the hypervisor's has to be answered, whatever it asks for.
    pub(super) fn hyp(&mut self, message: &HypMessage) -> Result<(), Status> {
        match self.key {
            _ if !self.required => Err(Status::NotSupported),
            None => Err(Status::NotReady),
            Some(key) if key == message.key.to_registers() => Ok(()),
            Some(_) => {
                self.wrong += 1;
                Err(Status::WrongKey)
            }
        }
    }

    /// Says what cannot be right about the answer to a claim. `granted` is what the source of random numbers gave to it.
    pub(super) fn check_claim(&self, response: &Response, granted: &Granted) -> Result<(), String> {
        let Response { status, values: [low, high, ..] } = *response;
        match (status, self.is_awaited()) {
            (Status::Denied, false) => Ok(()),
            (Status::Ok, true) if granted.words == [low, high] => Ok(()),
            (Status::Ok, true) => Err(format!("the key was made of {:x?}", granted.words)),
            (Status::NotSupported, _) if granted.failed => Ok(()),
            (_, true) => Err("it was the first claim".to_owned()),
            (_, false) => Err("there was nothing to be claimed".to_owned()),
        }
    }

    /// Takes note of an answer to a claim.
    pub(super) const fn claimed(&mut self, response: &Response) {
        if let Response { status: Status::Ok, values: [low, high, ..] } = *response {
            self.key = Some([low, high]);
        }
    }

    /// Says what cannot be right about an answer of STATISTICS.
    pub(super) fn check_statistics(&self, response: &Response) -> Result<(), String> {
        if *response == Response::value(self.wrong) {
            Ok(())
        } else {
            Err(format!("{} messages had a wrong key", self.wrong))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ffa_abi::{HypRequest, Key};

    #[test]
    fn only_the_first_claim_has_a_key() {
        let mut role = Role::new(true);
        let granted = Granted { words: vec![5, 6], failed: false };
        let message = |key| HypMessage::of(HypRequest::Statistics.encode(Key::from_registers(key))).unwrap();
        assert_eq!(role.kernel(&Request::FaultPoll), Err(Status::NotReady));
        assert_eq!(role.hyp(&message([0, 0])), Err(Status::NotReady));
        let key = Response { status: Status::Ok, values: [5, 6, 0, 0] };
        assert_eq!(role.check_claim(&key, &granted), Ok(()));
        assert!(role.check_claim(&Response { values: [6, 5, 0, 0], ..key }, &granted).is_err());
        assert!(role.check_claim(&Response::status(Status::NotSupported), &granted).is_err());
        role.claimed(&key);
        assert!(role.check_claim(&key, &granted).is_err());
        assert_eq!(role.check_claim(&Response::status(Status::Denied), &granted), Ok(()));
        assert_eq!(role.hyp(&message([5, 6])), Ok(()));
        assert_eq!(role.hyp(&message([5, 7])), Err(Status::WrongKey));
        assert_eq!(role.check_statistics(&Response::value(1)), Ok(()));
        assert!(role.check_statistics(&Response::value(0)).is_err());
    }
}

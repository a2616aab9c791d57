// SPDX-License-Identifier: Apache-2.0 OR MIT
//! Receivers in the normal world: the VMs for which FFA_NOTIFICATION_BITMAP_CREATE was called, and the OS kernel or
//! hypervisor itself, ID 0 (FF-A 1.2 §10.3, §10.9, §16.1, §16.2).

use core::array;
use core::num::NonZeroU16;

use arm_ffa::FfaError;

use super::receiver::State;
use crate::endpoint::EndpointId;
use crate::sync::Mutex;

/// Most VMs that have notifications at one time.
pub const MAX_VMS: usize = 8;

#[derive(Debug)]
struct Vm {
    id: EndpointId,
    vcpus: NonZeroU16,
    state: State,
}

/// All VMs that have notifications.
#[derive(Debug)]
pub struct Vms {
    places: [Mutex<Option<Vm>>; MAX_VMS],
    /// Held while a VM is added, so that none is added twice. Taken before any place's lock.
    adding: Mutex<()>,
}

impl Default for Vms {
    fn default() -> Self {
        Self { places: array::from_fn(|_| Mutex::new(None)), adding: Mutex::new(()) }
    }
}

impl Vms {
    /// FFA_NOTIFICATION_BITMAP_CREATE: makes bitmaps for a VM.
    ///
    /// # Errors
    /// `Denied` if it has some, `NoMemory` if there are [`MAX_VMS`] already.
    pub(super) fn create(&self, id: EndpointId, vcpus: NonZeroU16) -> Result<(), FfaError> {
        let _adding = self.adding.lock();
        let mut free = None;
        for place in &self.places {
            match &*place.lock() {
                Some(vm) if vm.id == id => return Err(FfaError::Denied),
                Some(_) => {}
                None => free = free.or(Some(place)),
            }
        }
        // A free place stays free: only who holds `adding` fills one.
        *free.ok_or(FfaError::NoMemory)?.lock() = Some(Vm { id, vcpus, state: State::default() });
        Ok(())
    }

    /// FFA_NOTIFICATION_BITMAP_DESTROY: forgets the bitmaps of a VM, and what was bound in them.
    ///
    /// # Errors
    /// `Denied` if it has none, or if something is pending.
    pub(super) fn destroy(&self, id: EndpointId) -> Result<(), FfaError> {
        for place in &self.places {
            let mut place = place.lock();
            match &*place {
                Some(vm) if vm.id == id => {
                    if vm.state.pending().is_any() {
                        return Err(FfaError::Denied);
                    }
                    *place = None;
                    return Ok(());
                }
                _ => {}
            }
        }
        Err(FfaError::Denied)
    }

    /// Does one operation on the notifications of a VM, which also gets to know how many vCPUs it has. Nothing, if it has
    /// no bitmaps.
    pub(super) fn with<R>(
        &self,
        id: EndpointId,
        operation: impl FnOnce(&mut State, NonZeroU16) -> R,
    ) -> Option<R> {
        for place in &self.places {
            if let Some(vm) = &mut *place.lock()
                && vm.id == id
            {
                return Some(operation(&mut vm.state, vm.vcpus));
            }
        }
        None
    }

    /// Does one operation on each VM, one after the other.
    pub(super) fn each(&self, mut operation: impl FnMut(EndpointId, &mut State)) {
        for place in &self.places {
            if let Some(vm) = &mut *place.lock() {
                operation(vm.id, &mut vm.state);
            }
        }
    }
}

// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What the service keeps its state in: secure memory, all of it reserved when the image was linked.

use crate::Smmu;
use crate::entropy::Rndr;
use crate::shared::Shared;
use heapless::Vec;
use iommu_core::domain::{Device, MAX_DOMAINS, Slot};
use iommu_core::policy::{MAX_DEVICES, MAX_SMMUS, Policy};
use iommu_core::pool::{Chunk, MAX_CHUNKS, MAX_POOL_PAGES, PageSlot, Pool};
use iommu_core::service::{Faults, Service};
use iommu_core::shared::{Area, MAX_AREAS};
use spin::Once;
use spin::mutex::SpinMutex;

/// Locked once and for ever.
pub(crate) static POLICY: SpinMutex<Policy> = SpinMutex::new(Policy::EMPTY);
pub(crate) static SERVICE: Once<Service<'static, &'static Smmu>> = Once::new();
pub(crate) static POOL: Once<Pool<'static>> = Once::new();
pub(crate) static PAGES: [PageSlot; MAX_POOL_PAGES] = [const { PageSlot::new() }; MAX_POOL_PAGES];
pub(crate) static CHUNKS: [Chunk<'static>; MAX_CHUNKS] = [const { Chunk::new() }; MAX_CHUNKS];
pub(crate) static DOMAINS: [Slot<'static>; MAX_DOMAINS] = [const { Slot::new() }; MAX_DOMAINS];
pub(crate) static DEVICES: [Device; MAX_DEVICES] = [const { Device::new() }; MAX_DEVICES];
pub(crate) static FAULTS: Faults = Faults::new();
pub(crate) static AREAS: [Area; MAX_AREAS] = [const { Area::new() }; MAX_AREAS];
pub(crate) static SHARED: Once<Option<Shared>> = Once::new();
pub(crate) static ENTROPY: Once<Option<Rndr>> = Once::new();
/// One place an SMMU, since a driver is large to move.
pub(crate) static SMMUS: [Once<Smmu>; MAX_SMMUS] = [const { Once::new() }; MAX_SMMUS];
/// Those of them that are up.
pub(crate) static SMMU_LIST: Once<Vec<&'static Smmu, MAX_SMMUS>> = Once::new();

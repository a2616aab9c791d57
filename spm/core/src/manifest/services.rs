// SPDX-License-Identifier: Apache-2.0 OR MIT
//! What a partition offers: pairs of a UUID and the messages that it takes, in the forms of both versions of the binding
//! (TF-A's `ffa-manifest-binding`, "Services").

use arm_ffa::{UuidHelper, Version};
use heapless::Vec;
use uuid::Uuid;

use super::fdt::{Node, Noted};
use super::fields::{Binding, check_properties};
use super::messaging::MessagingMethod;
use super::{MAX_SERVICES, Reason};

/// One service of a partition, as FFA_PARTITION_INFO_GET lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its protocol.
    pub uuid: Uuid,
    /// How it is talked to.
    pub messaging: MessagingMethod,
}

/// All services of a partition.
pub type Services = Vec<Service, MAX_SERVICES>;

/// The minor version of the binding, from `compatible`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BindingVersion {
    /// `arm,ffa-manifest-1.0`: services are two lists at the root, UUIDs are cells.
    V1_0,
    /// `arm,ffa-manifest-1.1`: each service is a node, its UUID a text.
    V1_1,
}

impl BindingVersion {
    /// Reads `compatible` of the root.
    pub(super) fn of(root: &Node<'_>) -> Result<Self, Noted> {
        if root.is_compatible("arm,ffa-manifest-1.1") {
            return Ok(Self::V1_1);
        }
        root.require_compatible("arm,ffa-manifest-1.0")?;
        Ok(Self::V1_0)
    }
}

/// Reads all services; there is at least one. `ffa` is the version that the partition is written for.
pub(super) fn read(root: &Node<'_>, binding: BindingVersion, ffa: Version) -> Result<Services, Noted> {
    let mut reader = Reader { services: Services::new(), ffa };
    let list = root.child("services")?;
    match (binding, list) {
        (BindingVersion::V1_0, None) => reader.lists(root)?,
        (BindingVersion::V1_0, Some(list)) => {
            return Err(list.wrong(Reason::NotSupported("services as nodes before binding 1.1")));
        }
        (BindingVersion::V1_1, None) => return Err(root.wrong_child("services", Reason::Missing)),
        (BindingVersion::V1_1, Some(list)) => {
            for name in ["uuid", "messaging-method"] {
                if root.has(name) {
                    return Err(root.wrong_property(name, Reason::Duplicate));
                }
            }
            list.require_compatible("arm,ffa-manifest-services")?;
            check_properties(&list, Binding::Services)?;
            for service in list.children() {
                reader.node(&service?)?;
            }
            if reader.services.is_empty() {
                return Err(list.wrong(Reason::Missing));
            }
        }
    }
    Ok(reader.services)
}

struct Reader {
    services: Services,
    ffa: Version,
}

impl Reader {
    /// Reads `uuid` and `messaging-method` of the root: a list of UUIDs, and one method for each or one for all.
    fn lists(&mut self, root: &Node<'_>) -> Result<(), Noted> {
        let wrong_length = |property| root.wrong_property(property, Reason::WrongLength);
        let (uuids @ [_, ..], []) = cells(root, "uuid")?.as_chunks::<4>() else {
            return Err(wrong_length("uuid"));
        };
        let methods = cells(root, "messaging-method")?;
        let [first, others @ ..] = methods else { return Err(wrong_length("messaging-method")) };
        if !others.is_empty() && methods.len() != uuids.len() {
            return Err(wrong_length("messaging-method"));
        }
        for (place, uuid) in uuids.iter().enumerate() {
            let method = methods.get(place).unwrap_or(first);
            // The words in which FFA_PARTITION_INFO_GET passes it (FF-A 1.2 §13.8).
            let uuid = UuidHelper::from_u32_regs(uuid.map(u32::from_be_bytes));
            self.add(root, uuid, u32::from_be_bytes(*method))?;
        }
        Ok(())
    }

    /// Reads one child of `services`.
    fn node(&mut self, node: &Node<'_>) -> Result<(), Noted> {
        check_properties(node, Binding::Service)?;
        let method = node.require_u32("messaging-method")?;
        let text = node.text("uuid")?.ok_or_else(|| node.wrong_property("uuid", Reason::Missing))?;
        let uuid = canonical(text).ok_or_else(|| node.wrong_property("uuid", Reason::NotUuid))?;
        self.add(node, uuid, method)
    }

    fn add(&mut self, node: &Node<'_>, uuid: Uuid, method: u32) -> Result<(), Noted> {
        let wrong_method = |reason| node.wrong_property("messaging-method", reason);
        let messaging = MessagingMethod::from_bits(method).map_err(wrong_method)?;
        let direct2 = [MessagingMethod::RECEIVES_DIRECT2, MessagingMethod::SENDS_DIRECT2];
        if self.ffa < Version(1, 2) && direct2.into_iter().any(|way| messaging.allows(way)) {
            return Err(wrong_method(Reason::NotSupported("FFA_MSG_SEND_DIRECT_REQ2 before FF-A 1.2")));
        }
        let wrong_uuid = |reason| node.wrong_property("uuid", reason);
        if uuid.is_nil() {
            // The nil UUID is FFA_PARTITION_INFO_GET's "all partitions".
            return Err(wrong_uuid(Reason::OutOfRange(0)));
        }
        if self.services.iter().any(|service| service.uuid == uuid) {
            return Err(wrong_uuid(Reason::Duplicate));
        }
        let service = Service { uuid, messaging };
        self.services.push(service).map_err(|_| wrong_uuid(Reason::TooMany(MAX_SERVICES)))
    }
}

/// Reads a property of cells, which has to be there.
#[inline(never)]
fn cells<'a>(node: &Node<'a>, property: &str) -> Result<&'a [[u8; 4]], Noted> {
    let bytes = node.bytes(property).ok_or_else(|| node.wrong_property(property, Reason::Missing))?;
    match bytes.as_chunks::<4>() {
        (cells, []) => Ok(cells),
        _ => Err(node.wrong_property(property, Reason::WrongLength)),
    }
}

/// Reads 8-4-4-4-12 hexadecimal digits (RFC 9562 §4).
fn canonical(text: &str) -> Option<Uuid> {
    let mut bytes = [0_u8; 16];
    let mut digits = 0;
    for (place, character) in text.bytes().enumerate() {
        let digit = match (place, character) {
            (8 | 13 | 18 | 23, b'-') => continue,
            (8 | 13 | 18 | 23, _) => return None,
            (_, b'0'..=b'9') => character - b'0',
            (_, b'a'..=b'f') => character - b'a' + 10,
            (_, b'A'..=b'F') => character - b'A' + 10,
            _ => return None,
        };
        let byte = bytes.get_mut(digits / 2)?;
        *byte = *byte << 4 | digit;
        digits += 1;
    }
    (digits == 32).then(|| Uuid::from_bytes(bytes))
}

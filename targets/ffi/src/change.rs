//! The objects of a policy, as C writes them.

use crate::address::{dash_address_t, dash_mac_t, dash_prefix_t};

/// `op`: makes the object, or replaces it whole.
pub const DASH_SET: u32 = 1;
/// `op`: removes the object, which may be absent. Only its key (the members that are marked so)
/// is needed.
pub const DASH_REMOVE: u32 = 2;

/// `object`: `change.appliance`.
pub const DASH_APPLIANCE: u32 = 1;
/// `object`: `change.direction`.
pub const DASH_DIRECTION: u32 = 2;
/// `object`: `change.vnet`.
pub const DASH_VNET: u32 = 3;
/// `object`: `change.routing_type`.
pub const DASH_ROUTING_TYPE: u32 = 4;
/// `object`: `change.route_group`.
pub const DASH_ROUTE_GROUP: u32 = 5;
/// `object`: `change.route`.
pub const DASH_ROUTE: u32 = 6;
/// `object`: `change.mapping`.
pub const DASH_MAPPING: u32 = 7;
/// `object`: `change.pa_prefix`.
pub const DASH_PA_PREFIX: u32 = 8;
/// `object`: `change.tag_prefix`.
pub const DASH_TAG_PREFIX: u32 = 9;
/// `object`: `change.acl_group`.
pub const DASH_ACL_GROUP: u32 = 10;
/// `object`: `change.inbound_rules`.
pub const DASH_INBOUND_RULES: u32 = 11;
/// `object`: `change.trusted_vnis`.
pub const DASH_TRUSTED_VNIS: u32 = 12;
/// `object`: `change.underlay_route`.
pub const DASH_UNDERLAY_ROUTE: u32 = 13;
/// `object`: `change.eni`.
pub const DASH_ENI: u32 = 14;

/// From the VM.
pub const DASH_OUTBOUND: u8 = 1;
/// To the VM.
pub const DASH_INBOUND: u8 = 2;

/// `mac_override`: the source of an outbound frame, the destination of an inbound one.
pub const DASH_MAC_DEFAULT: u8 = 0;
/// `mac_override`: the source.
pub const DASH_MAC_SOURCE: u8 = 1;
/// `mac_override`: the destination.
pub const DASH_MAC_DESTINATION: u8 = 2;

/// `action` of a route, an inbound rule, an underlay route: the frames are dropped.
pub const DASH_DROP: u8 = 1;
/// `action` of a route: the frames leave as the customer's, without encapsulation.
pub const DASH_DIRECT: u8 = 2;
/// `action` of a route: the mapping of the frames' destination in `vnet` says where they go.
pub const DASH_TO_VNET: u8 = 3;
/// `action` of a route: the mapping of `overlay_ip` in `vnet` says where the frames go; without
/// it, that of their destination.
pub const DASH_TO_VNET_DIRECT: u8 = 4;
/// `action` of an inbound rule: the frames go to the VM.
pub const DASH_DECAP: u8 = 5;
/// `action` of an underlay route: the frames leave by `port`.
pub const DASH_FORWARD: u8 = 6;

/// `owner`: an appliance; the range counts for all ENIs.
pub const DASH_OF_APPLIANCE: u8 = 1;
/// `owner`: an ENI; the range counts for it alone.
pub const DASH_OF_ENI: u8 = 2;

/// Stages of an ACL.
pub const DASH_ACL_STAGES: usize = 5;

/// The DPU as the underlay sees it (`DASH_APPLIANCE_TABLE`). Frames to its addresses are ours, and
/// the encapsulations that we write come from them.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_appliance_t {
    /// Key: its number.
    pub id: u32,
    /// VNI of tunnels to VMs whose ENI has none of its own, 24 bits.
    pub vm_vni: u32,
    /// VIP of the IPv4 underlay.
    pub sip: [u8; 4],
    /// VIP of the IPv6 underlay, if `has_sip_v6` is 1.
    pub sip_v6: [u8; 16],
    /// 0 or 1.
    pub has_sip_v6: u8,
    /// Outer source MAC of what we send.
    pub own_mac: dash_mac_t,
    /// Outer destination MAC of what we send.
    pub neighbor_mac: dash_mac_t,
}

/// What a VNI says of a frame. A VNI without an entry is inbound.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_direction_t {
    /// Key: the VNI, 24 bits.
    pub vni: u32,
    /// `DASH_OUTBOUND` or `DASH_INBOUND`.
    pub direction: u8,
    /// Which MAC address of the customer frame names the ENI: `DASH_MAC_...`.
    pub mac_override: u8,
}

/// A VNET (`DASH_VNET_TABLE`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_vnet_t {
    /// Its VNI, 24 bits; several VNETs may share one.
    pub vni: u32,
    /// Key: its number.
    pub id: u16,
}

/// A routing type (`DASH_ROUTING_TYPE_TABLE`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_routing_type_t {
    /// VNI of its static encapsulation, 24 bits; 0: none.
    pub vni: u32,
    /// Key: its number.
    pub id: u8,
}

/// A group of outbound routes (`DASH_ROUTE_GROUP_TABLE`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_route_group_t {
    /// Key: its number, below the capacity.
    pub id: u16,
    /// 1: its frames are dropped instead of routed.
    pub disabled: u8,
}

/// An outbound route (`DASH_ROUTE_TABLE`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_route_t {
    /// Its group. Part of the key.
    pub group: u16,
    /// Customer destinations. Part of the key.
    pub prefix: dash_prefix_t,
    /// `DASH_DROP`, `DASH_DIRECT`, `DASH_TO_VNET` or `DASH_TO_VNET_DIRECT`.
    pub action: u8,
    /// 1: `overlay_ip` counts. Only with `DASH_TO_VNET_DIRECT`.
    pub has_overlay_ip: u8,
    /// The VNET.
    pub vnet: u16,
    /// The address whose mapping is looked up; the frame keeps its own.
    pub overlay_ip: dash_address_t,
}

/// Where a customer address of a VNET lives (`DASH_VNET_MAPPING_TABLE`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_mapping_t {
    /// Its VNET. Part of the key.
    pub vnet: u16,
    /// The customer address. Part of the key.
    pub customer: dash_address_t,
    /// 1: `underlay_v4` counts. With both, the IP version of the received outer frame decides;
    /// with neither, `DASH_BAD_VALUE`.
    pub has_underlay_v4: u8,
    /// 1: `underlay_v6` counts.
    pub has_underlay_v6: u8,
    /// 1: `vni` counts.
    pub has_vni: u8,
    /// Of a mapping without a VNI, whose routing type has none either. 1: the VNI is that of this
    /// VNET; 0: that of the ENI's.
    pub use_dst_vni: u8,
    /// Underlay address, IPv4.
    pub underlay_v4: [u8; 4],
    /// Underlay address, IPv6.
    pub underlay_v6: [u8; 16],
    /// Destination MAC of the customer frame.
    pub mac: dash_mac_t,
    /// Its routing type.
    pub routing_type: u8,
    /// A VNI of its own, 24 bits.
    pub vni: u32,
}

/// An underlay prefix that frames of a VNI may come from (`DASH_PA_VALIDATION_TABLE`). All of it
/// is the key.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_pa_prefix_t {
    /// The VNI, 24 bits.
    pub vni: u32,
    /// The prefix.
    pub prefix: dash_prefix_t,
}

/// A prefix of a tag (`DASH_PREFIX_TAG_TABLE`). All of it is the key.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_tag_prefix_t {
    /// Its tag: a number below the capacity.
    pub tag: u32,
    /// The prefix.
    pub prefix: dash_prefix_t,
}

/// Ports from `first` to `last`, both included.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_port_range_t {
    /// The first.
    pub first: u16,
    /// The last.
    pub last: u16,
}

/// A rule of an ACL group (`DASH_ACL_RULE_TABLE`). An empty list matches everything, another one
/// if any element does. A side that has both prefixes and tags is their union. The lists are read
/// during the call that applies the change, not later.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_acl_rule_t {
    /// Lower is looked at first.
    pub priority: u32,
    /// 1: permit; 0: deny.
    pub permit: u8,
    /// 1: no later stage is asked.
    pub terminating: u8,
    /// IP protocols.
    pub protocols: *const u8,
    /// How many.
    pub protocol_count: usize,
    /// Customer sources.
    pub sources: *const dash_prefix_t,
    /// How many.
    pub source_count: usize,
    /// Customer destinations.
    pub destinations: *const dash_prefix_t,
    /// How many.
    pub destination_count: usize,
    /// Tags of customer sources.
    pub source_tags: *const u32,
    /// How many.
    pub source_tag_count: usize,
    /// Tags of customer destinations.
    pub destination_tags: *const u32,
    /// How many.
    pub destination_tag_count: usize,
    /// Source ports.
    pub source_ports: *const dash_port_range_t,
    /// How many.
    pub source_port_count: usize,
    /// Destination ports.
    pub destination_ports: *const dash_port_range_t,
    /// How many.
    pub destination_port_count: usize,
}

/// An ACL group with all its rules (`DASH_ACL_GROUP_TABLE`): cores see the old rules or the new
/// ones.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_acl_group_t {
    /// Key: its number, below the capacity.
    pub id: u32,
    /// `DASH_IPV4` or `DASH_IPV6`: of the customer frames that it is for.
    pub ip_version: u8,
    /// Its rules, in any order.
    pub rules: *const dash_acl_rule_t,
    /// How many.
    pub rule_count: usize,
}

/// An inbound rule (`DASH_ROUTE_RULE_TABLE`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_inbound_rule_t {
    /// Lower is looked at first.
    pub priority: u32,
    /// Underlay sources.
    pub prefix: dash_prefix_t,
    /// Protocol of the customer frame; 0: any.
    pub protocol: u8,
    /// `DASH_DECAP` or `DASH_DROP`.
    pub action: u8,
    /// 1: `vnet` counts; 0: the frames come from the ENI's VNET.
    pub has_vnet: u8,
    /// 1: the frames' underlay source must belong to their VNET.
    pub pa_validation: u8,
    /// The VNET that the frames come from.
    pub vnet: u16,
}

/// The inbound rules of an ENI and a VNI whose prefixes are of one IP version, all of them.
/// `DASH_REMOVE` removes those of both versions.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_inbound_rules_t {
    /// The ENI. Part of the key.
    pub eni: u16,
    /// `DASH_IPV4` or `DASH_IPV6`: of the underlay.
    pub ip_version: u8,
    /// The VNI, 24 bits. Part of the key.
    pub vni: u32,
    /// The rules, ascending by priority, of equal priorities the longer prefix first.
    pub rules: *const dash_inbound_rule_t,
    /// How many.
    pub rule_count: usize,
}

/// A range of VNIs whose frames may reach policy. All of it is the key.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_trusted_vnis_t {
    /// `DASH_OF_APPLIANCE` or `DASH_OF_ENI`.
    pub owner: u8,
    /// The appliance or ENI.
    pub id: u32,
    /// The first VNI.
    pub first: u32,
    /// The last VNI.
    pub last: u32,
}

/// An underlay route. Without one, frames leave by the port that they came in at.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_underlay_route_t {
    /// Key: destinations as written on the frame.
    pub prefix: dash_prefix_t,
    /// `DASH_DROP` or `DASH_FORWARD`.
    pub action: u8,
    /// The port.
    pub port: u16,
}

/// An ACL group that is bound to a stage.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C)]
pub struct dash_acl_binding_t {
    /// 1: `group` counts; 0: the stage is skipped.
    pub bound: u8,
    /// The group.
    pub group: u32,
}

/// The network interface of a VM (`DASH_ENI_TABLE`, `DASH_ENI_ROUTE_TABLE`, `DASH_ACL_IN_TABLE`,
/// `DASH_ACL_OUT_TABLE`).
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_eni_t {
    /// Key: its number, below the capacity.
    pub id: u16,
    /// Its VNET.
    pub vnet: u16,
    /// The appliance whose VIP, MACs and `vm_vni` it uses.
    pub appliance: u32,
    /// Its MAC address, by which frames find it.
    pub mac: dash_mac_t,
    /// `admin_state`. 1: it passes frames.
    pub enabled: u8,
    /// 1: `vm_vni` counts; 0: the appliance's does.
    pub has_vm_vni: u8,
    /// 1: `route_group` counts; 0: it has no outbound routes.
    pub has_route_group: u8,
    /// Underlay address of the VM's host.
    pub underlay_ip: dash_address_t,
    /// Its outbound routes.
    pub route_group: u16,
    /// VNI of the tunnel to the VM, 24 bits.
    pub vm_vni: u32,
    /// ACL groups of IPv4 frames to the VM, stage 1 first.
    pub inbound_v4: [dash_acl_binding_t; DASH_ACL_STAGES],
    /// ACL groups of IPv6 frames to the VM.
    pub inbound_v6: [dash_acl_binding_t; DASH_ACL_STAGES],
    /// ACL groups of IPv4 frames from the VM.
    pub outbound_v4: [dash_acl_binding_t; DASH_ACL_STAGES],
    /// ACL groups of IPv6 frames from the VM.
    pub outbound_v6: [dash_acl_binding_t; DASH_ACL_STAGES],
}

/// An object; `dash_change_t.object` says which.
#[derive(Clone, Copy)]
#[repr(C)]
pub union dash_object_t {
    /// `DASH_APPLIANCE`.
    pub appliance: dash_appliance_t,
    /// `DASH_DIRECTION`.
    pub direction: dash_direction_t,
    /// `DASH_VNET`.
    pub vnet: dash_vnet_t,
    /// `DASH_ROUTING_TYPE`.
    pub routing_type: dash_routing_type_t,
    /// `DASH_ROUTE_GROUP`.
    pub route_group: dash_route_group_t,
    /// `DASH_ROUTE`.
    pub route: dash_route_t,
    /// `DASH_MAPPING`.
    pub mapping: dash_mapping_t,
    /// `DASH_PA_PREFIX`.
    pub pa_prefix: dash_pa_prefix_t,
    /// `DASH_TAG_PREFIX`.
    pub tag_prefix: dash_tag_prefix_t,
    /// `DASH_ACL_GROUP`.
    pub acl_group: dash_acl_group_t,
    /// `DASH_INBOUND_RULES`.
    pub inbound_rules: dash_inbound_rules_t,
    /// `DASH_TRUSTED_VNIS`.
    pub trusted_vnis: dash_trusted_vnis_t,
    /// `DASH_UNDERLAY_ROUTE`.
    pub underlay_route: dash_underlay_route_t,
    /// `DASH_ENI`.
    pub eni: dash_eni_t,
}

/// One object made, replaced or removed. An object may name another that does not exist: frames
/// that need it then meet an ordinary miss. Nothing is cascaded: what depends on a removed object
/// stays.
///
/// Every member of the object is read, also those whose `has_...` is 0: set the whole of it to
/// zeros first, as an initialiser does.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct dash_change_t {
    /// `DASH_SET` or `DASH_REMOVE`.
    pub op: u32,
    /// `DASH_APPLIANCE` to `DASH_ENI`.
    pub object: u32,
    /// The object. The member of this name in the union.
    pub change: dash_object_t,
}

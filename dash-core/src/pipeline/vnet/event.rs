//! What the stages tell a trace: table, key, what was found.

use smoltcp::wire::{EthernetAddress, IpAddress};

use super::{
    FlowKey,
    policy::{
        AclAction, AclGroupId, Direction, DirectionEntry, EniEntry, EniId, InboundAction, Mapping,
        Route, RouteGroup, RouteGroupId, UnderlayAction, VnetId,
    },
};
use crate::rewrite::Rewrite;

/// What one stage did for a frame. `None` is a miss. The stages come in the order of the variants;
/// a frame with a flow skips those from [`TrustedVni`](Self::TrustedVni) on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event {
    /// VIP, by outer destination (absent: tagged or not IP).
    Vip {
        /// Outer destination.
        destination: Option<IpAddress>,
        /// Whether it is a VIP.
        hit: bool,
    },
    /// Direction, by VNI.
    Direction {
        /// VNI as received.
        vni: u32,
        /// Its entry; a VNI without one is inbound.
        entry: Option<DirectionEntry>,
    },
    /// ENI, by a MAC address of the customer frame.
    Eni {
        /// The address.
        mac: EthernetAddress,
        /// Its ENI.
        entry: Option<EniEntry>,
    },
    /// The name of the frame's flow.
    Key(FlowKey),
    /// Trusted VNI.
    TrustedVni {
        /// VNI as received.
        vni: u32,
        /// Who trusts it.
        by: Option<TrustedBy>,
    },
    /// One stage of the ACL; later ones are not asked when it decides.
    Acl {
        /// Which ACL.
        direction: Direction,
        /// Stage, 1 to 5.
        stage: usize,
        /// The group that is bound; absent: the stage is skipped.
        group: Option<AclGroupId>,
        /// What the group says.
        answer: AclAnswer,
    },
    /// Group of outbound routes.
    RouteGroup {
        /// The ENI's group, if it has one.
        group: Option<RouteGroupId>,
        /// The group, if it exists.
        entry: Option<RouteGroup>,
    },
    /// Outbound route, by customer destination.
    Route {
        /// Group.
        group: RouteGroupId,
        /// Customer destination.
        destination: IpAddress,
        /// Length of the longest prefix, bits, and its route.
        entry: Option<(u8, Route)>,
    },
    /// CA-PA mapping.
    Mapping {
        /// VNET.
        vnet: VnetId,
        /// Customer address, or the route's overlay IP.
        address: IpAddress,
        /// The mapping.
        entry: Option<Mapping>,
    },
    /// VNI of the encapsulation.
    Vni {
        /// The VNI.
        vni: u32,
        /// Where it comes from.
        from: VniOrigin,
    },
    /// Inbound routing rule.
    InboundRule {
        /// ENI.
        eni: EniId,
        /// VNI as received.
        vni: u32,
        /// Outer source.
        source: IpAddress,
        /// Protocol of the customer frame.
        protocol: u8,
        /// Priority and action of the first rule that matches.
        entry: Option<(u32, InboundAction)>,
    },
    /// PA validation.
    PaValidation {
        /// The VNET that the frame must come from.
        vnet: VnetId,
        /// Its VNI, if it exists.
        vni: Option<u32>,
        /// Outer source.
        source: IpAddress,
        /// What makes it valid.
        by: Option<ValidBy>,
    },
    /// What the frame's headers become; the other direction's change, if flows can be made.
    Compiled {
        /// Of this frame.
        rewrite: Rewrite,
        /// Of the other direction.
        reverse: Option<Rewrite>,
    },
    /// Underlay route, by the destination to be written. Looked up again on a hit when the
    /// underlay routes changed since the flow's last frame.
    Underlay {
        /// The destination.
        destination: IpAddress,
        /// Length of the longest prefix, bits, and its action; absent: by the ingress port.
        entry: Option<(u8, UnderlayAction)>,
    },
}

/// Who trusts a VNI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrustedBy {
    /// An appliance.
    Appliance,
    /// The ENI.
    Eni,
}

/// What a stage of the ACL says of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AclAnswer {
    /// No group is bound: the stage is skipped.
    Unbound,
    /// The group that is bound does not exist: denied.
    NoGroup,
    /// The group is of the other IP version: denied.
    OtherVersion,
    /// No rule matches: denied.
    NoRule,
    /// The first rule that matches.
    Rule {
        /// Its priority, which names it within its group.
        priority: u32,
        /// Its action.
        action: AclAction,
    },
}

/// Where the VNI of an encapsulation comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VniOrigin {
    /// The mapping.
    Mapping,
    /// The mapping's routing type.
    RoutingType,
    /// This VNET.
    Vnet(VnetId),
    /// The ENI's `vm_vni`, since its VNET does not exist.
    Eni,
}

/// What makes an underlay source valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidBy {
    /// It is the underlay address of a mapping.
    Mapping,
    /// It lies in a prefix of this length, bits.
    Prefix(u8),
}

//! What one stage did for a frame, as C reads it.

use core::ffi::{CStr, c_char};

use crate::{
    address::{dash_address_t, dash_mac_t},
    change::{dash_direction_t, dash_mapping_t, dash_route_t, dash_underlay_route_t},
    flow::dash_flow_key_t,
    rewrite::dash_rewrite_t,
};

/// `stage`: VIP, by outer destination. `detail.vip`.
pub const DASH_STAGE_VIP: u8 = 1;
/// `stage`: direction, by VNI; a miss is inbound. `detail.direction`.
pub const DASH_STAGE_DIRECTION: u8 = 2;
/// `stage`: ENI, by a MAC address of the customer frame. `detail.eni`.
pub const DASH_STAGE_ENI: u8 = 3;
/// `stage`: what names the frame's flow. `detail.key`.
pub const DASH_STAGE_KEY: u8 = 4;
/// `stage`: what the flow table did. `detail.flow`.
pub const DASH_STAGE_FLOW: u8 = 5;
/// `stage`: trusted VNI. `detail.trusted_vni`.
pub const DASH_STAGE_TRUSTED_VNI: u8 = 6;
/// `stage`: one stage of the ACL. `detail.acl`.
pub const DASH_STAGE_ACL: u8 = 7;
/// `stage`: group of outbound routes. `detail.route_group`.
pub const DASH_STAGE_ROUTE_GROUP: u8 = 8;
/// `stage`: outbound route, by customer destination. `detail.route`.
pub const DASH_STAGE_ROUTE: u8 = 9;
/// `stage`: CA-PA mapping. `detail.mapping`.
pub const DASH_STAGE_MAPPING: u8 = 10;
/// `stage`: VNI of the encapsulation. `detail.vni`.
pub const DASH_STAGE_VNI: u8 = 11;
/// `stage`: inbound rule, by outer source. `detail.inbound_rule`.
pub const DASH_STAGE_INBOUND_RULE: u8 = 12;
/// `stage`: validation of the outer source. `detail.pa_validation`.
pub const DASH_STAGE_PA_VALIDATION: u8 = 13;
/// `stage`: the header changes that all that leads to. `detail.compiled`.
pub const DASH_STAGE_COMPILED: u8 = 14;
/// `stage`: underlay route, by the destination that is written; a miss is the ingress port.
/// `detail.underlay`.
pub const DASH_STAGE_UNDERLAY: u8 = 15;

/// `step`: found.
pub const DASH_FLOW_HIT: u8 = 1;
/// `step`: not found, or timed out.
pub const DASH_FLOW_MISS: u8 = 2;
/// `step`: found, but judged under an older policy: policy is asked.
pub const DASH_FLOW_STALE: u8 = 3;
/// `step`: a flow for the frame and one for its answers are installed.
pub const DASH_FLOW_INSTALLED: u8 = 4;
/// `step`: the header changes of both are replaced.
pub const DASH_FLOW_REPLACED: u8 = 5;
/// `step`: both are removed.
pub const DASH_FLOW_REMOVED: u8 = 6;
/// `step`: no place; the frame is forwarded, and not remembered.
pub const DASH_FLOW_UNCACHED: u8 = 7;

/// `answer`: no group is bound, the stage is skipped.
pub const DASH_ACL_UNBOUND: u8 = 1;
/// `answer`: the group that is bound does not exist; denied.
pub const DASH_ACL_NO_GROUP: u8 = 2;
/// `answer`: the group is of the other IP version; denied.
pub const DASH_ACL_OTHER_VERSION: u8 = 3;
/// `answer`: no rule matches; denied.
pub const DASH_ACL_NO_RULE: u8 = 4;
/// `answer`: a rule matches; its `priority`, `permit`, `terminating` count.
pub const DASH_ACL_RULE: u8 = 5;

/// `origin`: the mapping has it.
pub const DASH_VNI_OF_MAPPING: u8 = 1;
/// `origin`: the mapping's routing type has it.
pub const DASH_VNI_OF_ROUTING_TYPE: u8 = 2;
/// `origin`: `vnet` has it.
pub const DASH_VNI_OF_VNET: u8 = 3;
/// `origin`: the ENI's, since its VNET does not exist.
pub const DASH_VNI_OF_ENI: u8 = 4;

/// `by`: it is the underlay address of a mapping.
pub const DASH_VALID_MAPPING: u8 = 1;
/// `by`: it lies in a PA prefix of `length` bits.
pub const DASH_VALID_PREFIX: u8 = 2;

/// Of `DASH_STAGE_VIP`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_vip_stage_t {
    /// Outer destination; of version 0: the frame is tagged, or not IP.
    pub destination: dash_address_t,
}

/// Of `DASH_STAGE_FLOW`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_flow_stage_t {
    /// `DASH_FLOW_HIT` to `DASH_FLOW_UNCACHED`.
    pub step: u8,
}

/// Of `DASH_STAGE_ENI`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_eni_stage_t {
    /// The address that was looked up.
    pub mac: dash_mac_t,
    /// The ENI.
    pub eni: u16,
    /// Its VNET.
    pub vnet: u16,
    /// Its `admin_state`.
    pub enabled: u8,
}

/// Of `DASH_STAGE_TRUSTED_VNI`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_trusted_vni_stage_t {
    /// VNI as received.
    pub vni: u32,
    /// Who trusts it: `DASH_OF_APPLIANCE` or `DASH_OF_ENI`.
    pub owner: u8,
}

/// Of `DASH_STAGE_ACL`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_acl_stage_t {
    /// `DASH_OUTBOUND` or `DASH_INBOUND`.
    pub direction: u8,
    /// 1 to `DASH_ACL_STAGES`.
    pub stage: u8,
    /// `DASH_ACL_UNBOUND` to `DASH_ACL_RULE`.
    pub answer: u8,
    /// Of the rule.
    pub permit: u8,
    /// Of the rule.
    pub terminating: u8,
    /// Of the rule, which it names within its group.
    pub priority: u32,
    /// The group, unless none is bound.
    pub group: u32,
}

/// Of `DASH_STAGE_ROUTE_GROUP`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_route_group_stage_t {
    /// 1: the ENI has a group.
    pub has_group: u8,
    /// 1: its frames are dropped.
    pub disabled: u8,
    /// The group.
    pub group: u16,
}

/// Of `DASH_STAGE_ROUTE`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_route_stage_t {
    /// Customer destination.
    pub destination: dash_address_t,
    /// The route of its longest prefix.
    pub route: dash_route_t,
}

/// Of `DASH_STAGE_VNI`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_vni_stage_t {
    /// The VNI.
    pub vni: u32,
    /// `DASH_VNI_OF_MAPPING` to `DASH_VNI_OF_ENI`.
    pub origin: u8,
    /// The VNET.
    pub vnet: u16,
}

/// Of `DASH_STAGE_INBOUND_RULE`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_inbound_rule_stage_t {
    /// ENI.
    pub eni: u16,
    /// Protocol of the customer frame.
    pub protocol: u8,
    /// Of the rule: `DASH_DECAP` or `DASH_DROP`.
    pub action: u8,
    /// Of the rule: 1: `vnet` counts; 0: the ENI's does.
    pub has_vnet: u8,
    /// Of the rule.
    pub pa_validation: u8,
    /// Of the rule.
    pub vnet: u16,
    /// Of the rule.
    pub priority: u32,
    /// VNI as received.
    pub vni: u32,
    /// Outer source.
    pub source: dash_address_t,
}

/// Of `DASH_STAGE_PA_VALIDATION`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_pa_validation_stage_t {
    /// The VNET that the frame must come from.
    pub vnet: u16,
    /// 1: that VNET exists, and `vni` counts.
    pub has_vni: u8,
    /// What makes it valid: `DASH_VALID_MAPPING` or `DASH_VALID_PREFIX`.
    pub by: u8,
    /// Of the prefix, bits.
    pub length: u8,
    /// VNI of the VNET.
    pub vni: u32,
    /// Outer source.
    pub source: dash_address_t,
}

/// Of `DASH_STAGE_COMPILED`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_compiled_stage_t {
    /// Of this frame.
    pub rewrite: dash_rewrite_t,
    /// 1: `reverse` counts; 0: answers have no way back, so no flow is kept.
    pub has_reverse: u8,
    /// Of its answers.
    pub reverse: dash_rewrite_t,
}

/// Of `DASH_STAGE_UNDERLAY`.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct dash_underlay_stage_t {
    /// The destination that is written.
    pub destination: dash_address_t,
    /// The route of its longest prefix.
    pub route: dash_underlay_route_t,
}

/// What a stage was asked for and what it answered; `dash_stage_t.stage` says which member.
/// Members that come of an answer are zeros when there is none.
#[derive(Clone, Copy)]
#[repr(C)]
pub union dash_stage_detail_t {
    /// `DASH_STAGE_VIP`.
    pub vip: dash_vip_stage_t,
    /// `DASH_STAGE_DIRECTION`.
    pub direction: dash_direction_t,
    /// `DASH_STAGE_ENI`.
    pub eni: dash_eni_stage_t,
    /// `DASH_STAGE_KEY`.
    pub key: dash_flow_key_t,
    /// `DASH_STAGE_FLOW`.
    pub flow: dash_flow_stage_t,
    /// `DASH_STAGE_TRUSTED_VNI`.
    pub trusted_vni: dash_trusted_vni_stage_t,
    /// `DASH_STAGE_ACL`.
    pub acl: dash_acl_stage_t,
    /// `DASH_STAGE_ROUTE_GROUP`.
    pub route_group: dash_route_group_stage_t,
    /// `DASH_STAGE_ROUTE`.
    pub route: dash_route_stage_t,
    /// `DASH_STAGE_MAPPING`.
    pub mapping: dash_mapping_t,
    /// `DASH_STAGE_VNI`.
    pub vni: dash_vni_stage_t,
    /// `DASH_STAGE_INBOUND_RULE`.
    pub inbound_rule: dash_inbound_rule_stage_t,
    /// `DASH_STAGE_PA_VALIDATION`.
    pub pa_validation: dash_pa_validation_stage_t,
    /// `DASH_STAGE_COMPILED`.
    pub compiled: dash_compiled_stage_t,
    /// `DASH_STAGE_UNDERLAY`.
    pub underlay: dash_underlay_stage_t,
}

/// What one stage did for a frame.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct dash_stage_t {
    /// `DASH_STAGE_VIP` to `DASH_STAGE_UNDERLAY`.
    pub stage: u8,
    /// 1: a table was asked and has an entry.
    pub found: u8,
    /// The rest. The member that belongs to the stage.
    pub detail: dash_stage_detail_t,
}

/// The name of a stage, of the DASH table behind it where there is one. Static storage; never NULL;
/// any number may be asked for.
///
/// Threads: any, at any time.
#[unsafe(no_mangle)]
pub extern "C" fn dash_stage_name(stage: u8) -> *const c_char {
    let name: &CStr = match stage {
        DASH_STAGE_VIP => c"VIP",
        DASH_STAGE_DIRECTION => c"direction",
        DASH_STAGE_ENI => c"DASH_ENI_TABLE",
        DASH_STAGE_KEY => c"flow key",
        DASH_STAGE_FLOW => c"flow table",
        DASH_STAGE_TRUSTED_VNI => c"trusted VNIs",
        DASH_STAGE_ACL => c"ACL",
        DASH_STAGE_ROUTE_GROUP => c"DASH_ENI_ROUTE_TABLE",
        DASH_STAGE_ROUTE => c"DASH_ROUTE_TABLE",
        DASH_STAGE_MAPPING => c"DASH_VNET_MAPPING_TABLE",
        DASH_STAGE_VNI => c"encapsulation VNI",
        DASH_STAGE_INBOUND_RULE => c"DASH_ROUTE_RULE_TABLE",
        DASH_STAGE_PA_VALIDATION => c"DASH_PA_VALIDATION_TABLE",
        DASH_STAGE_COMPILED => c"header changes",
        DASH_STAGE_UNDERLAY => c"underlay routes",
        _ => c"unknown stage",
    };
    name.as_ptr()
}

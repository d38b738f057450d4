//! Objects that are known and checked, and that nothing acts on yet.

use super::{
    fields::Fields,
    key::KeyParts,
    problem::Problem,
    text::Json,
    value::{self, Choice, Parsed, choice, list, name},
};

type Key = fn(&mut KeyParts<'_>) -> Parsed<()>;
type Check = fn(&Json) -> Parsed<()>;

/// One kind of object.
#[derive(Debug)]
pub struct Inert {
    table: &'static str,
    key: Key,
    fields: &'static [(&'static str, Check)],
}

impl Inert {
    /// The kind that `table` names.
    #[must_use]
    pub fn of(table: &str) -> Option<&'static Self> {
        TABLES.iter().find(|inert| inert.table == table)
    }

    /// Checks a key.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_key(&self, parts: &mut KeyParts<'_>) -> Parsed<()> {
        (self.key)(parts)
    }

    /// Checks the fields.
    ///
    /// # Errors
    /// What is wrong with the first bad one.
    pub fn check_fields(&self, fields: &mut Fields<'_>) -> Result<(), Problem> {
        self.fields.iter().try_for_each(|(name, check)| fields.optional(name, check).map(drop))
    }
}

const TEXT: Check = |json| name(json).map(drop);
const BOOLEAN: Check = |json| value::boolean(json).map(drop);
const NUMBER: Check = |json| value::number_32(json).map(drop);
const NUMBER_64: Check = |json| value::number_64(json).map(drop);
const PORT: Check = |json| value::number_16(json).map(drop);
const VNI: Check = |json| value::vni(json).map(drop);
const ADDRESS: Check = |json| value::address(json).map(drop);
const ADDRESSES: Check = |json| list(json, value::address).map(drop);
const PREFIX: Check = |json| value::prefix(json).map(drop);
const TEXTS: Check = |json| list(json, name).map(drop);
const IP_VERSION: Check = |json| choice(json, super::acl::IpVersion::NAMES).map(drop);
const ENCAP: Check = |json| {
    const NAMES: &[Choice<()>] =
        &[("vxlan", "ENCAP_TYPE_VXLAN", Some(())), ("nvgre", "ENCAP_TYPE_NVGRE", Some(()))];
    choice(json, NAMES)
};
const RANGE_ACTION: Check = |json| {
    const NAMES: &[Choice<()>] = &[
        ("skip_mapping", "ACTION_SKIP_MAPPING", Some(())),
        ("map_private_link_service", "ACTION_MAP_PRIVATE_LINK_SERVICE", Some(())),
    ];
    choice(json, NAMES)
};
const OWNER: Check = |json| {
    const NAMES: &[Choice<()>] =
        &[("dpu", "HA_OWNER_DPU", Some(())), ("switch", "HA_OWNER_SWITCH", Some(()))];
    choice(json, NAMES)
};
const SCOPE: Check = |json| {
    const NAMES: &[Choice<()>] =
        &[("dpu", "HA_SCOPE_DPU", Some(())), ("eni", "HA_SCOPE_ENI", Some(()))];
    choice(json, NAMES)
};
const DESIRED_STATE: Check = |json| {
    const NAMES: &[Choice<()>] = &[
        ("unspecified", "DESIRED_HA_STATE_UNSPECIFIED", Some(())),
        ("dead", "DESIRED_HA_STATE_DEAD", Some(())),
        ("active", "DESIRED_HA_STATE_ACTIVE", Some(())),
        ("standalone", "DESIRED_HA_STATE_STANDALONE", Some(())),
    ];
    choice(json, NAMES)
};
const ID: Key = |parts| parts.name("id").map(drop);
const TWO_IDS: Key = |parts| {
    parts.name("id")?;
    parts.name("second id").map(drop)
};

/// Timestamps, roles and terms of the state tables are written by `SONiC`, not by a user.
const TABLES: &[Inert] = &[
    Inert {
        table: "DASH_TUNNEL_TABLE",
        key: ID,
        fields: &[
            ("endpoints", ADDRESSES),
            ("encap_type", ENCAP),
            ("vni", VNI),
            ("metering_class_or", NUMBER),
        ],
    },
    Inert {
        table: "DASH_ROUTING_APPLIANCE_TABLE",
        key: ID,
        fields: &[
            ("appliance_guid", TEXT),
            ("addresses", ADDRESSES),
            ("encap_type", ENCAP),
            ("vni", VNI),
        ],
    },
    Inert { table: "DASH_OUTBOUND_PORT_MAP_TABLE", key: ID, fields: &[("guid", TEXT)] },
    Inert {
        table: "DASH_OUTBOUND_PORT_MAP_RANGE_TABLE",
        key: |parts| {
            parts.name("map id")?;
            let range = parts.name("port range")?;
            let range = Json::Text(range.replacen('-', ",", 1));
            value::range(&range, u32::from(u16::MAX)).map(drop)
        },
        fields: &[("action", RANGE_ACTION), ("backend_ip", ADDRESS), ("backend_port_base", PORT)],
    },
    Inert {
        table: "DASH_QOS_TABLE",
        key: ID,
        fields: &[("qos_id", TEXT), ("bw", NUMBER), ("cps", NUMBER), ("flows", NUMBER)],
    },
    Inert { table: "DASH_METER_POLICY_TABLE", key: ID, fields: &[("ip_version", IP_VERSION)] },
    Inert {
        table: "DASH_METER_RULE_TABLE",
        key: |parts| {
            parts.name("policy id")?;
            parts.number("rule number", 0..=u32::MAX).map(drop)
        },
        fields: &[("priority", NUMBER), ("ip_prefix", PREFIX), ("metering_class", NUMBER_64)],
    },
    Inert {
        table: "DASH_METER_TABLE",
        key: TWO_IDS,
        fields: &[("metadata", TEXT), ("tx_counter", NUMBER_64), ("rx_counter", NUMBER_64)],
    },
    Inert {
        table: "DASH_HA_SET_TABLE",
        key: ID,
        fields: &[
            ("version", TEXT),
            ("vip_v4", ADDRESS),
            ("vip_v6", ADDRESS),
            ("owner", OWNER),
            ("scope", SCOPE),
            ("local_npu_ip", ADDRESS),
            ("local_ip", ADDRESS),
            ("peer_ip", ADDRESS),
            ("cp_data_channel_port", PORT),
            ("dp_channel_dst_port", PORT),
            ("dp_channel_src_port_min", PORT),
            ("dp_channel_src_port_max", PORT),
            ("dp_channel_probe_interval_ms", NUMBER),
            ("dp_channel_probe_fail_threshold", NUMBER),
        ],
    },
    Inert {
        table: "DASH_HA_SCOPE_TABLE",
        key: ID,
        fields: &[
            ("version", TEXT),
            ("disabled", BOOLEAN),
            ("ha_role", TEXT),
            ("flow_reconcile_requested", BOOLEAN),
            ("activate_role_requested", BOOLEAN),
            ("ha_set_id", TEXT),
            ("vip_v4", ADDRESS),
            ("vip_v6", ADDRESS),
        ],
    },
    Inert {
        table: "DASH_HA_SET_CONFIG_TABLE",
        key: ID,
        fields: &[
            ("version", TEXT),
            ("vip_v4", ADDRESS),
            ("vip_v6", ADDRESS),
            ("owner", OWNER),
            ("scope", SCOPE),
            ("vdpu_ids", TEXTS),
            ("pinned_vdpu_bfd_probe_states", TEXTS),
            ("preferred_vdpu_id", TEXT),
            ("preferred_standalone_vdpu_index", NUMBER),
        ],
    },
    Inert {
        table: "DASH_HA_SCOPE_CONFIG_TABLE",
        key: TWO_IDS,
        fields: &[
            ("version", TEXT),
            ("disabled", BOOLEAN),
            ("desired_ha_state", DESIRED_STATE),
            ("approved_pending_operation_ids", TEXTS),
            ("owner", OWNER),
            ("ha_set_id", TEXT),
        ],
    },
    Inert {
        table: "DASH_HA_SET_STATE_TABLE",
        key: ID,
        fields: &[("last_updated_time", NUMBER_64), ("flow_sync_sessions", TEXTS)],
    },
    Inert {
        table: "DASH_HA_SCOPE_STATE_TABLE",
        key: ID,
        fields: &[
            ("last_updated_time", NUMBER_64),
            ("ha_role", TEXT),
            ("ha_role_start_time", NUMBER_64),
            ("ha_term", TEXT),
            ("activate_role_pending", BOOLEAN),
            ("flow_reconcile_pending", BOOLEAN),
            ("brainsplit_recover_pending", BOOLEAN),
        ],
    },
];

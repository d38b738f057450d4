//! ACL groups, their rules, the stages that they are bound to, and tags.

use ipnet::IpNet;

use super::{
    fields::Fields,
    problem::Problem,
    text::Json,
    value::{self, Choice, choice, list, name, ranges},
};

/// An IP version.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpVersion {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl IpVersion {
    /// That of `prefix`.
    #[must_use]
    pub const fn of(prefix: &IpNet) -> Self {
        match prefix {
            IpNet::V4(_) => Self::V4,
            IpNet::V6(_) => Self::V6,
        }
    }

    /// Its names.
    pub const NAMES: &'static [Choice<Self>] =
        &[("ipv4", "IP_VERSION_IPV4", Some(Self::V4)), ("ipv6", "IP_VERSION_IPV6", Some(Self::V6))];
}

/// `DASH_ACL_GROUP_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclGroup {
    /// The IP version of the frames that it judges.
    pub ip_version: IpVersion,
}

impl AclGroup {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        fields.ignored("guid", name)?;
        fields.ignored("version", name)?;
        Ok(Self {
            ip_version: fields.mandatory("ip_version", |json| choice(json, IpVersion::NAMES))?,
        })
    }
}

/// `DASH_ACL_RULE_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclRule {
    /// Lower is first; each stands once in a group.
    pub priority: u32,
    /// Permit, or deny.
    pub permit: bool,
    /// Whether later stages are skipped.
    pub terminating: bool,
    /// Protocols; none: any.
    pub protocol: Vec<u8>,
    /// Tags of the source, united with `src_addr`.
    pub src_tag: Vec<String>,
    /// Tags of the destination, united with `dst_addr`.
    pub dst_tag: Vec<String>,
    /// Prefixes of the source; neither prefix nor tag: any.
    pub src_addr: Vec<IpNet>,
    /// Prefixes of the destination; neither prefix nor tag: any.
    pub dst_addr: Vec<IpNet>,
    /// Source ports; none: any.
    pub src_port: Vec<(u16, u16)>,
    /// Destination ports; none: any.
    pub dst_port: Vec<(u16, u16)>,
}

impl AclRule {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        const ACTIONS: &[Choice<bool>] =
            &[("deny", "ACTION_DENY", Some(false)), ("permit", "ACTION_PERMIT", Some(true))];
        fn each<T>(
            fields: &mut Fields<'_>,
            field: &'static str,
            element: fn(&Json) -> value::Parsed<T>,
        ) -> Result<Vec<T>, Problem> {
            Ok(fields.optional(field, |json| list(json, element))?.unwrap_or_default())
        }
        fn ports(fields: &mut Fields<'_>, field: &'static str) -> Result<Vec<(u16, u16)>, Problem> {
            let ports = fields.optional(field, |json| ranges(json, u32::from(u16::MAX)))?;
            let narrow = |(first, last)| (first as u16, last as u16);
            Ok(ports.unwrap_or_default().into_iter().map(narrow).collect())
        }
        Ok(Self {
            priority: fields.mandatory("priority", value::number_32)?,
            permit: fields.mandatory("action", |json| choice(json, ACTIONS))?,
            terminating: fields.optional("terminating", value::boolean)?.unwrap_or(false),
            protocol: each(fields, "protocol", value::number_8)?,
            src_tag: each(fields, "src_tag", name)?,
            dst_tag: each(fields, "dst_tag", name)?,
            src_addr: each(fields, "src_addr", value::prefix)?,
            dst_addr: each(fields, "dst_addr", value::prefix)?,
            src_port: ports(fields, "src_port")?,
            dst_port: ports(fields, "dst_port")?,
        })
    }
}

/// `DASH_ACL_IN_TABLE` and `DASH_ACL_OUT_TABLE`: the groups of one stage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AclBinding {
    /// The group for IPv4.
    pub v4: Option<String>,
    /// The group for IPv6.
    pub v6: Option<String>,
}

impl AclBinding {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let v4 = fields.optional("v4_acl_group_id", name)?;
        let v6 = fields.optional("v6_acl_group_id", name)?;
        if v4.is_none() && v6.is_none() {
            return Err(fields.problem("v4_acl_group_id", "is missing, and so is v6_acl_group_id"));
        }
        Ok(Self { v4, v6 })
    }
}

/// `DASH_PREFIX_TAG_TABLE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixTag {
    /// The IP version of its prefixes.
    pub ip_version: IpVersion,
    /// Its prefixes; none: it matches nothing.
    pub prefix_list: Vec<IpNet>,
}

impl PrefixTag {
    pub(super) fn read(fields: &mut Fields<'_>) -> Result<Self, Problem> {
        let ip_version = fields.mandatory("ip_version", |json| choice(json, IpVersion::NAMES))?;
        let prefixes = fields.optional("prefix_list", |json| list(json, value::prefix))?;
        let prefix_list = prefixes.unwrap_or_default();
        if let Some(other) = prefix_list.iter().find(|one| IpVersion::of(one) != ip_version) {
            let message = format!("{other} is of another IP version than the tag");
            return Err(fields.problem("prefix_list", message));
        }
        Ok(Self { ip_version, prefix_list })
    }
}

//! What is configured: each kind of object by its key.

use std::collections::BTreeMap;

use ipnet::IpNet;
use smoltcp::wire::EthernetAddress;

use super::{
    acl::{AclBinding, AclGroup, AclRule, PrefixTag},
    key::ApplianceId,
    object::{
        Appliance, Eni, EniRoute, PaValidation, Route, RouteGroup, RouteKey, RouteRule,
        RouteRuleKey, RoutingActions, RoutingType, StageKey, Underlay, UnderlayRoute, Vnet,
        VnetMapping,
    },
    problem::Origin,
};
use std::net::IpAddr;

/// An object and where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<T> {
    /// The object.
    pub value: T,
    /// Where it was written.
    pub origin: Origin,
}

/// Objects of one kind, by key.
pub type Objects<K, T> = BTreeMap<K, Entry<T>>;

macro_rules! state {
    ($($(#[$doc:meta])* $field:ident: $kind:ident($key:ty => $value:ty);)*) => {
        /// All objects.
        #[derive(Clone, Debug, Default)]
        pub struct State {
            $($(#[$doc])* pub $field: Objects<$key, $value>,)*
            /// What a transaction deleted, for its messages.
            pub deleted: BTreeMap<String, Origin>,
        }

        /// One object set (with a value) or deleted (without).
        #[derive(Clone, Debug)]
        pub enum Change {
            $($(#[$doc])* $kind($key, Option<$value>),)*
        }

        impl Change {
            const fn is_deletion(&self) -> bool {
                match self {
                    $(Self::$kind(_, value) => value.is_none(),)*
                }
            }
        }

        impl State {
            fn put(&mut self, change: Change, origin: Origin) {
                match change {
                    $(Change::$kind(key, Some(value)) => {
                        self.$field.insert(key, Entry { value, origin });
                    })*
                    $(Change::$kind(key, None) => {
                        self.$field.remove(&key);
                    })*
                }
            }
        }
    };
}

state! {
    /// Appliances.
    appliances: Appliance(ApplianceId => Appliance);
    /// VNETs.
    vnets: Vnet(String => Vnet);
    /// ENIs by their key, a MAC.
    enis: Eni(EthernetAddress => Eni);
    /// Route groups of ENIs.
    eni_routes: EniRoute(EthernetAddress => EniRoute);
    /// Route groups.
    route_groups: RouteGroup(String => RouteGroup);
    /// Outbound routes.
    routes: Route(RouteKey => Route);
    /// Inbound rules.
    route_rules: RouteRule(RouteRuleKey => RouteRule);
    /// Routing types.
    routing_types: RoutingType(RoutingType => RoutingActions);
    /// Mappings.
    vnet_mappings: VnetMapping((String, IpAddr) => VnetMapping);
    /// Valid sources by VNI.
    pa_validations: PaValidation(u32 => PaValidation);
    /// ACL groups.
    acl_groups: AclGroup(String => AclGroup);
    /// ACL rules.
    acl_rules: AclRule((String, u32) => AclRule);
    /// Inbound stages.
    acl_in: AclIn(StageKey => AclBinding);
    /// Outbound stages.
    acl_out: AclOut(StageKey => AclBinding);
    /// Tags.
    prefix_tags: PrefixTag(String => PrefixTag);
    /// Outer MACs.
    underlays: Underlay(ApplianceId => Underlay);
    /// Underlay routes.
    underlay_routes: UnderlayRoute(IpNet => UnderlayRoute);
}

/// One operation of a transaction.
#[derive(Clone, Debug)]
pub struct Operation {
    /// What it does.
    pub change: Change,
    /// Where it was written.
    pub origin: Origin,
}

impl Change {
    /// The name under which other objects refer to this one, if any do.
    fn referenced_name(&self) -> Option<String> {
        Some(match self {
            Self::Appliance(key, _) => format!("DASH_APPLIANCE_TABLE:{key}"),
            Self::Vnet(key, _) => format!("DASH_VNET_TABLE:{key}"),
            Self::Eni(key, _) => format!("DASH_ENI_TABLE:{key}"),
            Self::RouteGroup(key, _) => format!("DASH_ROUTE_GROUP_TABLE:{key}"),
            Self::AclGroup(key, _) => format!("DASH_ACL_GROUP_TABLE:{key}"),
            Self::PrefixTag(key, _) => format!("DASH_PREFIX_TAG_TABLE:{key}"),
            _ => return None,
        })
    }
}

impl State {
    /// Applies one operation. Deleting what is not there does nothing; deleting an ACL group
    /// deletes its rules.
    pub fn apply(&mut self, operation: Operation) {
        let Operation { change, origin } = operation;
        if let Change::AclGroup(group, None) = &change {
            self.acl_rules.retain(|(of, _), _| of != group);
        }
        if let (true, Some(name)) = (change.is_deletion(), change.referenced_name()) {
            self.deleted.insert(name, origin.clone());
        }
        self.put(change, origin);
    }

    /// The appliance that an ENI belongs to: the one that it names, else the first.
    #[must_use]
    pub fn appliance_of(&self, eni: &Eni) -> Option<(&ApplianceId, &Entry<Appliance>)> {
        match &eni.appliance {
            Some(name) => self.appliances.get_key_value(name),
            None => self.appliances.first_key_value(),
        }
    }

    /// The rules of an ACL group.
    pub fn rules_of(&self, group: &str) -> impl Iterator<Item = &Entry<AclRule>> {
        let first = (group.to_owned(), 0);
        let last = (group.to_owned(), u32::MAX);
        self.acl_rules.range(first..=last).map(|(_, rule)| rule)
    }

    /// The routes of a route group.
    pub fn routes_of(&self, group: &str) -> impl Iterator<Item = (&IpNet, &Entry<Route>)> {
        self.routes
            .range((group.to_owned(), FIRST_PREFIX)..)
            .take_while(move |((of, _), _)| of.as_str() == group)
            .map(|((_, prefix), route)| (prefix, route))
    }
}

/// The least prefix in the order of `IpNet`: IPv4 first, then by address and length.
const FIRST_PREFIX: IpNet =
    IpNet::V4(ipnet::Ipv4Net::new_assert(std::net::Ipv4Addr::UNSPECIFIED, 0));

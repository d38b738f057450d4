//! Every look-up of a policy, over a small world.

use dash_core::{
    pipeline::vnet::policy::{
        AclGroupId, Appliance, ApplianceId, DirectionEntry, Eni, EniEntry, EniId, InboundAction,
        Mapping, Policy, Route, RouteGroup, RouteGroupId, RoutingTypeId, UnderlayAction, VnetId,
    },
    table::acl::{Headers, Match},
};
use smoltcp::wire::{EthernetAddress, IpAddress};

use crate::choices::{ADDRESSES, MACS, VNIS};

/// Numbers of objects, each more than any capacity.
pub(crate) const NUMBERS: std::ops::Range<u16> = 0..4;

macro_rules! lookups {
    ($($name:ident($($argument:ident: $kind:ty),+) -> $answer:ty;)+) => {
        /// What can be asked.
        pub(crate) trait Lookups {
            $(fn $name(&self, $($argument: $kind),+) -> $answer;)+
        }

        impl Lookups for Policy<'_> {
            $(fn $name(&self, $($argument: $kind),+) -> $answer {
                Policy::$name(self, $($argument),+)
            })+
        }
    };
}

lookups! {
    is_vip(address: IpAddress) -> bool;
    appliance(id: ApplianceId) -> Option<Appliance>;
    direction(vni: u32) -> Option<DirectionEntry>;
    eni(id: EniId) -> Option<Eni>;
    eni_by_mac(mac: EthernetAddress) -> Option<EniEntry>;
    vnet_vni(vnet: VnetId) -> Option<u32>;
    routing_type_vni(id: RoutingTypeId) -> Option<u32>;
    route_group(group: RouteGroupId) -> Option<RouteGroup>;
    route(group: RouteGroupId, destination: IpAddress) -> Option<Route>;
    route_length(group: RouteGroupId, destination: IpAddress) -> Option<u8>;
    mapping(vnet: VnetId, customer: IpAddress) -> Option<Mapping>;
    is_mapping_underlay(vnet: VnetId, underlay: IpAddress) -> bool;
    is_pa(vni: u32, source: IpAddress) -> bool;
    pa_length(vni: u32, source: IpAddress) -> Option<u8>;
    classify(group: AclGroupId, headers: &Headers) -> Match;
    inbound_rule(eni: EniId, vni: u32, source: IpAddress, protocol: u8) -> Option<(u32, InboundAction)>;
    is_trusted(vni: u32) -> bool;
    is_trusted_by(eni: EniId, vni: u32) -> bool;
    underlay_route(destination: IpAddress) -> Option<UnderlayAction>;
    underlay_route_length(destination: IpAddress) -> Option<u8>;
}

/// The answers to everything, as text; nothing there is left out.
pub(crate) fn answers(policy: &impl Lookups) -> Vec<String> {
    let mut answers = Vec::new();
    macro_rules! ask {
        ($name:ident($($argument:expr),+)) => {
            if let Some(answer) = policy.$name($($argument),+).line() {
                let question: &[&dyn std::fmt::Debug] = &[$(&$argument),+];
                answers.push(format!("{}{question:?}: {answer}", stringify!($name)));
            }
        };
    }
    for address in ADDRESSES {
        ask!(is_vip(address));
        ask!(underlay_route(address));
        ask!(underlay_route_length(address));
    }
    for mac in MACS {
        ask!(eni_by_mac(mac));
    }
    for vni in VNIS {
        ask!(direction(vni));
        ask!(is_trusted(vni));
        for address in ADDRESSES {
            ask!(is_pa(vni, address));
            ask!(pa_length(vni, address));
        }
    }
    for number in NUMBERS {
        ask!(appliance(ApplianceId(number.into())));
        ask!(eni(EniId(number)));
        ask!(vnet_vni(VnetId(number)));
        ask!(routing_type_vni(RoutingTypeId(number as u8)));
        ask!(route_group(RouteGroupId(number)));
        for address in ADDRESSES {
            ask!(route(RouteGroupId(number), address));
            ask!(route_length(RouteGroupId(number), address));
            ask!(mapping(VnetId(number), address));
            ask!(is_mapping_underlay(VnetId(number), address));
            for destination_port in [80, 443] {
                let headers = Headers {
                    source: address,
                    destination: address,
                    protocol: 6,
                    source_port: 1,
                    destination_port,
                };
                ask!(classify(AclGroupId(number.into()), &headers));
            }
        }
        for vni in VNIS {
            ask!(is_trusted_by(EniId(number), vni));
            for address in ADDRESSES {
                for protocol in [6, 17] {
                    ask!(inbound_rule(EniId(number), vni, address, protocol));
                }
            }
        }
    }
    answers
}

/// An answer as text, when there is one.
trait Line {
    fn line(self) -> Option<String>;
}

impl<T: std::fmt::Debug> Line for Option<T> {
    fn line(self) -> Option<String> {
        self.map(|answer| format!("{answer:?}"))
    }
}

impl Line for bool {
    fn line(self) -> Option<String> {
        self.then(|| "yes".to_owned())
    }
}

impl Line for Match {
    fn line(self) -> Option<String> {
        (self != Match::NoGroup).then(|| format!("{self:?}"))
    }
}

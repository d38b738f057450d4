#include "vnet.h"

// Numbers stand for the names of the JSON file.
enum { APPLIANCE = 100 };
enum { VNET1 = 1, VNET2 = 2 };
enum { VNET_ENCAP = 1 };
enum { OUT1_V4, OUT1_V6, OUT2_V4, OUT2_V6, OUT3_V4, OUT3_V6, ACL_GROUPS };
enum { ROUTE_GROUP = 0 };
enum { VM_VNI = 4321 };

#define COUNT(array) (sizeof(array) / sizeof(*(array)))

#define V4(a, b, c, d) {.version = DASH_IPV4, .octets = {a, b, c, d}}
#define PREFIX4(a, b, c, d, bits) {.address = V4(a, b, c, d), .length = bits}
// fd00::LAST
#define V6(last) {.version = DASH_IPV6, .octets = {0xfd, [15] = last}}
#define PREFIX6(last, bits) {.address = V6(last), .length = bits}

static const dash_prefix_t to_10[] = {PREFIX4(10, 0, 0, 10, 32)};
static const dash_prefix_t to_11[] = {PREFIX4(10, 0, 0, 11, 32)};
static const dash_prefix_t to_a[] = {PREFIX6(0x0a, 128)};
static const dash_prefix_t to_b[] = {PREFIX6(0x0b, 128)};

#define DENY(to) {.priority = 1, .terminating = 1, .destinations = to, .destination_count = COUNT(to)}
#define PERMIT {.priority = 2, .permit = 1}

static const dash_acl_rule_t out1_v4[] = {DENY(to_10), PERMIT};
static const dash_acl_rule_t out1_v6[] = {DENY(to_a), PERMIT};
static const dash_acl_rule_t out2_v4[] = {DENY(to_11), PERMIT};
static const dash_acl_rule_t out2_v6[] = {DENY(to_b), PERMIT};
static const dash_acl_rule_t out3[] = {{.priority = 1, .permit = 1, .terminating = 1}};

#define SET(kind, member, ...) {.op = DASH_SET, .object = kind, .change.member = {__VA_ARGS__}}
#define GROUP(number, version, list) \
    SET(DASH_ACL_GROUP, acl_group, .id = number, .ip_version = version, .rules = list, \
        .rule_count = COUNT(list))
#define ROUTE(to, name) \
    SET(DASH_ROUTE, route, .group = ROUTE_GROUP, .prefix = to, .action = DASH_TO_VNET, .vnet = name)
// 100.0.0.HOST, or 3ffe::HOST
#define MAPPING(address, host, number) \
    SET(DASH_MAPPING, mapping, .vnet = VNET1, .customer = address, \
        .has_underlay_v4 = 1, .underlay_v4 = {100, 0, 0, host}, \
        .has_underlay_v6 = 1, .underlay_v6 = {0x3f, 0xfe, [15] = host}, \
        .mac = {{2, 0, 0, 0, 1, host}}, .routing_type = VNET_ENCAP, .has_vni = 1, .vni = number)

const dash_change_t vnet_changes[] = {
    SET(DASH_APPLIANCE, appliance, .id = APPLIANCE, .vm_vni = VM_VNI, .sip = {100, 0, 0, 2},
        .has_sip_v6 = 1, .sip_v6 = {0x3f, 0xfe, [15] = 2}),
    SET(DASH_DIRECTION, direction, .vni = VM_VNI, .direction = DASH_OUTBOUND),
    SET(DASH_TRUSTED_VNIS, trusted_vnis, .owner = DASH_OF_APPLIANCE, .id = APPLIANCE,
        .first = VM_VNI, .last = VM_VNI),
    SET(DASH_VNET, vnet, .id = VNET1, .vni = 1000),
    SET(DASH_VNET, vnet, .id = VNET2, .vni = 2000),
    SET(DASH_ROUTING_TYPE, routing_type, .id = VNET_ENCAP),
    GROUP(OUT1_V4, DASH_IPV4, out1_v4),
    GROUP(OUT1_V6, DASH_IPV6, out1_v6),
    GROUP(OUT2_V4, DASH_IPV4, out2_v4),
    GROUP(OUT2_V6, DASH_IPV6, out2_v6),
    GROUP(OUT3_V4, DASH_IPV4, out3),
    GROUP(OUT3_V6, DASH_IPV6, out3),
    SET(DASH_ROUTE_GROUP, route_group, .id = ROUTE_GROUP),
    ROUTE(PREFIX4(10, 0, 0, 0, 24), VNET1),
    ROUTE(PREFIX4(20, 0, 0, 0, 24), VNET2),
    ROUTE(PREFIX6(0, 64), VNET1),
    MAPPING(V4(10, 0, 0, 1), 1, 100),
    MAPPING(V4(10, 0, 0, 2), 1, 200),
    MAPPING(V4(10, 0, 0, 3), 3, 300),
    MAPPING(V6(1), 1, 100),
    MAPPING(V6(2), 1, 200),
    MAPPING(V6(3), 3, 300),
    SET(DASH_ENI, eni, .id = VNET_ENI, .mac = {{2, 0, 0, 0, 0, 1}}, .enabled = 1,
        .underlay_ip = V4(100, 0, 0, 1), .vnet = VNET1, .appliance = APPLIANCE,
        .has_route_group = 1, .route_group = ROUTE_GROUP,
        .outbound_v4 = {{1, OUT1_V4}, {1, OUT2_V4}, {1, OUT3_V4}},
        .outbound_v6 = {{1, OUT1_V6}, {1, OUT2_V6}, {1, OUT3_V6}}),
};

const size_t vnet_change_count = COUNT(vnet_changes);

const dash_capacity_t vnet_capacity = {
    .abi_version = DASH_ABI_VERSION,
    .struct_size = sizeof(dash_capacity_t),
    .cores = 0,
    .appliances = 1,
    .directions = 1,
    .enis = 1,
    .vnets = 2,
    .routing_types = 1,
    .route_groups = 1,
    .routes = 3,
    .mappings = 6,
    .mapping_underlays = 6,
    .trusted_ranges = 1,
    .acl_groups = ACL_GROUPS,
    .acl_words = 16384,
};

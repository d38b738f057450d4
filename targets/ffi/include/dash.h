// dash: packet processing for the cores of a SmartNIC or DPU. No allocation, no operating system,
// no global state.
//
// Made by cbindgen from targets/ffi; do not edit.
//
// A program makes one policy (`dash_policy_t`: what is configured) and for each of its packet
// cores a core (`dash_core_t`: flows, counters, frames on their way). It brings the memory of both
// and three callbacks (time, send, release); more are optional (flows that ended, hardware that
// forwards flows).
//
//     dash_sizes(&capacity, flows, &sizes);                   how much memory each region takes
//     dash_policy_create(&policy_config, &policy);            in regions of these sizes
//     dash_scratch_size(changes, count, &scratch_layout);
//     dash_policy_apply(policy, changes, count, scratch, &failed);
//     dash_core_create(&core_config, &core);                  one for each packet core
//     for (;;) {
//         dash_core_process(core, frames, count, &taken);     `send` and `release` are called
//         dash_core_tick(core, 32);                           now and then; `flow_removed` is called
//     }
//     dash_core_destroy(core);
//     dash_policy_destroy(policy);                            last
//
// examples/c-linux and examples/c-firmware are complete programs.
//
// Memory. Regions are the caller's, and belong to a handle from its creation to its destruction.
//   The library keeps no pointer to anything else that a call is given, but where it says so. A
//   handle is the address of its region; the region must begin with zeros before its first use, as
//   static memory does, so that a handle that is none, or no more, is told from one that lives.
// Threads. Each handle is used by one thread at a time; that of a policy may be another one than
//   those of its cores, and all of them run at once. Two threads in calls of one handle are told
//   `DASH_REENTERED`, if they are noticed. A handle may move from thread to thread if the
//   program orders the calls.
// Frames. A frame belongs to the library from the call that takes it to the one callback that ends
//   it: `send` that answers 0, or `release`. Neither the frame's memory nor its struct is to be
//   touched meanwhile.
// Callbacks. They must not call the library with the handle of the core that calls them, and must
//   return.
// Errors. Every call that can fail answers a `dash_status_t`. What is refused changes nothing,
//   unless the call says otherwise; a frame is never refused for its content, but dropped, and
//   counted under its reason. Pointers are tested for NULL and alignment, regions also for size
//   and overlap, numbers for their range. What cannot be tested is that a pointer points at what
//   its type says.
// Structs. Everything that is not named is to be 0, also the padding of unions' other members: an
//   initialiser does that. Flags are 0 or 1.
// Stack. On aarch64 and riscv64 `dash_policy_create` was seen to take 50 KiB, `dash_core_create`
//   20 KiB, `dash_core_process` and `dash_core_tick` 9 KiB.
// Panics. The library has none that a call can reach: a firmware links a release build of it
//   without defining `dash_panic`, and so proves it. A debug build for bare metal needs
//   `void dash_panic(void)`, which must not return. On Linux a panic, if there were one, would
//   abort the process; it never unwinds into C.
// Names. `DASH_..._TABLE` are the tables of the SONiC DASH configuration that an object comes from.


#ifndef DASH_H
#define DASH_H

#include <stddef.h>
#include <stdint.h>

// The version of this interface. It moves when a program that was compiled with an older header
// would no longer work.
#define DASH_ABI_VERSION 3

// Most packet cores of one policy.
#define DASH_MAX_CORES 64

// IPv4, where an IP version is asked for.
#define DASH_IPV4 4

// IPv6, where an IP version is asked for.
#define DASH_IPV6 6

// `op`: makes the object, or replaces it whole.
#define DASH_SET 1

// `op`: removes the object, which may be absent. Only its key (the members that are marked so)
// is needed.
#define DASH_REMOVE 2

// `object`: `change.appliance`.
#define DASH_APPLIANCE 1

// `object`: `change.direction`.
#define DASH_DIRECTION 2

// `object`: `change.vnet`.
#define DASH_VNET 3

// `object`: `change.routing_type`.
#define DASH_ROUTING_TYPE 4

// `object`: `change.route_group`.
#define DASH_ROUTE_GROUP 5

// `object`: `change.route`.
#define DASH_ROUTE 6

// `object`: `change.mapping`.
#define DASH_MAPPING 7

// `object`: `change.pa_prefix`.
#define DASH_PA_PREFIX 8

// `object`: `change.tag_prefix`.
#define DASH_TAG_PREFIX 9

// `object`: `change.acl_group`.
#define DASH_ACL_GROUP 10

// `object`: `change.inbound_rules`.
#define DASH_INBOUND_RULES 11

// `object`: `change.trusted_vnis`.
#define DASH_TRUSTED_VNIS 12

// `object`: `change.underlay_route`.
#define DASH_UNDERLAY_ROUTE 13

// `object`: `change.eni`.
#define DASH_ENI 14

// From the VM.
#define DASH_OUTBOUND 1

// To the VM.
#define DASH_INBOUND 2

// `mac_override`: the source of an outbound frame, the destination of an inbound one.
#define DASH_MAC_DEFAULT 0

// `mac_override`: the source.
#define DASH_MAC_SOURCE 1

// `mac_override`: the destination.
#define DASH_MAC_DESTINATION 2

// `action` of a route, an inbound rule, an underlay route: the frames are dropped.
#define DASH_DROP 1

// `action` of a route: the frames leave as the customer's, without encapsulation.
#define DASH_DIRECT 2

// `action` of a route: the mapping of the frames' destination in `vnet` says where they go.
#define DASH_TO_VNET 3

// `action` of a route: the mapping of `overlay_ip` in `vnet` says where the frames go; without
// it, that of their destination.
#define DASH_TO_VNET_DIRECT 4

// `action` of an inbound rule: the frames go to the VM.
#define DASH_DECAP 5

// `action` of an underlay route: the frames leave by `port`.
#define DASH_FORWARD 6

// `owner`: an appliance; the range counts for all ENIs.
#define DASH_OF_APPLIANCE 1

// `owner`: an ENI; the range counts for it alone.
#define DASH_OF_ENI 2

// Stages of an ACL.
#define DASH_ACL_STAGES 5

// `flags`: the NIC verified the checksum of the outermost IPv4 header.
#define DASH_FRAME_L3_GOOD 1

// `flags`: the NIC found it wrong.
#define DASH_FRAME_L3_BAD 2

// `flags`: the NIC verified the checksum of the outermost TCP or UDP header.
#define DASH_FRAME_L4_GOOD 4

// `flags`: the NIC found it wrong.
#define DASH_FRAME_L4_BAD 8

// `flags`: the NIC took a VLAN tag off; `vlan` is its tag control information.
#define DASH_FRAME_VLAN_STRIPPED 16

// `flags`: the frame on the wire was longer than the bytes that are here.
#define DASH_FRAME_TRUNCATED 32

// `changes`: the outermost encapsulation is taken off.
#define DASH_POP_OUTER 1

// `changes`: what lies behind the IP datagram of the frame that is left is cut.
#define DASH_TRIM 2

// `changes`: the outermost VLAN tag is taken off, if there is one.
#define DASH_POP_VLAN 4

// `changes`: a VLAN tag is put on.
#define DASH_PUSH_VLAN 8

// `changes`: `source_mac` is written.
#define DASH_SOURCE_MAC 16

// `changes`: `destination_mac` is written.
#define DASH_DESTINATION_MAC 32

// `changes`: TTL or hop limit is decremented.
#define DASH_TTL 64

// `changes`: a VXLAN encapsulation is put in front, of the members that begin with `outer_`, and
// with the MAC addresses of the ENI's appliance.
#define DASH_PUSH_OUTER 128

// `changes`: its DSCP is that of the outermost IP header as received.
#define DASH_COPY_DSCP 256

// `reason`: no frame of the conversation for its idle time-out.
#define DASH_REMOVED_IDLE 1

// `reason`: older than its hard time-out.
#define DASH_REMOVED_HARD 2

// `reason`: policy changed, and denies it now.
#define DASH_REMOVED_DENIED 3

// `reason`: its ENI is gone.
#define DASH_REMOVED_ORPHANED 4

// `reason`: other flows took its place.
#define DASH_REMOVED_SUPERSEDED 5

// `reason`: by `dash_core_remove_flow`, or with its core.
#define DASH_REMOVED_DELETED 6

// `reason`: TCP ended it, by FINs of both sides or a RST.
#define DASH_REMOVED_CLOSED 7

// `reason`: the table was full, and with `DASH_FULL_EVICT` a new flow took its place.
#define DASH_REMOVED_EVICTED 8

// Frames of a flow that the library forwards before it offers the flow to hardware.
#define DASH_OFFER_AFTER 16

// Frames that may wait in a core for a port whose ring is full.
#define DASH_QUEUE 64

// Frames in one burst: more are worked on by as many.
#define DASH_BURST 32

// `when_full`: it is forwarded; its answers find no flow.
#define DASH_FULL_FORWARD 0

// `when_full`: it is dropped.
#define DASH_FULL_DROP 1

// `when_full`: its flow takes the place of another one, but of no open TCP conversation; if none can
// be had, as `DASH_FULL_FORWARD`.
#define DASH_FULL_EVICT 2

// Reasons to drop a frame, numbered from 0: the length of an array with a counter for each.
#define DASH_DROP_REASONS 74

// Enough for the name of each, its end included.
#define DASH_NAME_BYTES 48

// Most filters of one reading.
#define DASH_FILTERS 5

// `attribute`: MAC address of the ENI; compares with `mac`.
#define DASH_FLOW_ENI 0

// `attribute`: VNET of the ENI; compares with `number`.
#define DASH_FLOW_VNET 1

// `attribute`: `DASH_OUTBOUND` or `DASH_INBOUND`, which is greater; compares with `number`.
#define DASH_FLOW_DIRECTION 2

// `attribute`: IP protocol; compares with `number`.
#define DASH_FLOW_PROTOCOL 3

// `attribute`: customer source; compares with `address`. Flows of the other IP version do not pass.
#define DASH_FLOW_SOURCE 4

// `attribute`: customer destination; as `DASH_FLOW_SOURCE`.
#define DASH_FLOW_DESTINATION 5

// `attribute`: source port; compares with `number`.
#define DASH_FLOW_SOURCE_PORT 6

// `attribute`: destination port; compares with `number`.
#define DASH_FLOW_DESTINATION_PORT 7

// `comparison`: equal.
#define DASH_EQ 1

// `comparison`: greater.
#define DASH_GT 2

// `comparison`: greater or equal.
#define DASH_GE 3

// `comparison`: less.
#define DASH_LT 4

// `comparison`: less or equal.
#define DASH_LE 5

// `stage`: VIP, by outer destination. `detail.vip`.
#define DASH_STAGE_VIP 1

// `stage`: direction, by VNI; a miss is inbound. `detail.direction`.
#define DASH_STAGE_DIRECTION 2

// `stage`: ENI, by a MAC address of the customer frame. `detail.eni`.
#define DASH_STAGE_ENI 3

// `stage`: what names the frame's flow. `detail.key`.
#define DASH_STAGE_KEY 4

// `stage`: what the flow table did. `detail.flow`.
#define DASH_STAGE_FLOW 5

// `stage`: trusted VNI. `detail.trusted_vni`.
#define DASH_STAGE_TRUSTED_VNI 6

// `stage`: one stage of the ACL. `detail.acl`.
#define DASH_STAGE_ACL 7

// `stage`: group of outbound routes. `detail.route_group`.
#define DASH_STAGE_ROUTE_GROUP 8

// `stage`: outbound route, by customer destination. `detail.route`.
#define DASH_STAGE_ROUTE 9

// `stage`: CA-PA mapping. `detail.mapping`.
#define DASH_STAGE_MAPPING 10

// `stage`: VNI of the encapsulation. `detail.vni`.
#define DASH_STAGE_VNI 11

// `stage`: inbound rule, by outer source. `detail.inbound_rule`.
#define DASH_STAGE_INBOUND_RULE 12

// `stage`: validation of the outer source. `detail.pa_validation`.
#define DASH_STAGE_PA_VALIDATION 13

// `stage`: the header changes that all that leads to. `detail.compiled`.
#define DASH_STAGE_COMPILED 14

// `stage`: underlay route, by the destination that is written; a miss is the ingress port.
// `detail.underlay`.
#define DASH_STAGE_UNDERLAY 15

// `step`: found.
#define DASH_FLOW_HIT 1

// `step`: not found, or timed out.
#define DASH_FLOW_MISS 2

// `step`: found, but judged under an older policy: policy is asked.
#define DASH_FLOW_STALE 3

// `step`: a flow for the frame and one for its answers are installed.
#define DASH_FLOW_INSTALLED 4

// `step`: the header changes of both are replaced.
#define DASH_FLOW_REPLACED 5

// `step`: both are removed.
#define DASH_FLOW_REMOVED 6

// `step`: no place; the frame is forwarded, and not remembered.
#define DASH_FLOW_UNCACHED 7

// `answer`: no group is bound, the stage is skipped.
#define DASH_ACL_UNBOUND 1

// `answer`: the group that is bound does not exist; denied.
#define DASH_ACL_NO_GROUP 2

// `answer`: the group is of the other IP version; denied.
#define DASH_ACL_OTHER_VERSION 3

// `answer`: no rule matches; denied.
#define DASH_ACL_NO_RULE 4

// `answer`: a rule matches; its `priority`, `permit`, `terminating` count.
#define DASH_ACL_RULE 5

// `origin`: the mapping has it.
#define DASH_VNI_OF_MAPPING 1

// `origin`: the mapping's routing type has it.
#define DASH_VNI_OF_ROUTING_TYPE 2

// `origin`: `vnet` has it.
#define DASH_VNI_OF_VNET 3

// `origin`: the ENI's, since its VNET does not exist.
#define DASH_VNI_OF_ENI 4

// `by`: it is the underlay address of a mapping.
#define DASH_VALID_MAPPING 1

// `by`: it lies in a PA prefix of `length` bits.
#define DASH_VALID_PREFIX 2

// Enough records for any frame.
#define DASH_STAGES 32

// `end`: the frame would leave by `port`.
#define DASH_SENT 1

// `end`: the frame would be dropped for `reason`.
#define DASH_DROPPED 2

// What a call answers. Everything but `DASH_OK` leaves things as they were, if the call does not
// say otherwise.
typedef enum dash_status_t {
  // Done.
  DASH_OK = 0,
  // A pointer that must not be NULL is NULL.
  DASH_NULL = 1,
  // A pointer or a region is not aligned as it must be.
  DASH_MISALIGNED = 2,
  // A region or an array has too few bytes or elements.
  DASH_TOO_SMALL = 3,
  // A region overlaps another one that is in use, or wraps around the address space.
  DASH_OVERLAP = 4,
  // `abi_version` or `struct_size` is not that of the library: the program was compiled with
  // the header of another version.
  DASH_BAD_VERSION = 5,
  // A member has a value that its description does not name.
  DASH_BAD_VALUE = 6,
  // A number is not below its capacity, or a capacity is larger than the library handles.
  DASH_OUT_OF_RANGE = 7,
  // The handle is not one, or was destroyed, or its region does not begin with zeros.
  DASH_BAD_HANDLE = 8,
  // The thing is in use: a region by a live handle, a core's number, a policy by its cores, a
  // frame by the library.
  DASH_IN_USE = 9,
  // The handle is in another call: a callback called back, or two threads share the handle.
  DASH_REENTERED = 10,
  // A frame does not lie within its memory, or has unknown flags.
  DASH_BAD_FRAME = 11,
  // No place in a table.
  DASH_FULL = 12,
  // Not now: memory may still be read by another core, or the transmit queue is full. Let each
  // core process a burst (an empty one will do) and repeat.
  DASH_AGAIN = 13,
  // A VNI has more than 24 bits.
  DASH_VNI_TOO_LARGE = 14,
  // A range ends before it starts.
  DASH_EMPTY_RANGE = 15,
  // Inbound rules are not in their order, or not of the stated IP version.
  DASH_DISORDERED = 16,
  // An ACL group that is bound to a stage of an ENI is not removed.
  DASH_ACL_GROUP_BOUND = 17,
  // An ACL group is not of the IP version that it is, or would be, bound under.
  DASH_ACL_GROUP_VERSION = 18,
} dash_status_t;

// A packet core: what processes frames. One thread uses it.
typedef struct dash_core_t dash_core_t;

// A policy: what is configured. One thread changes it, all its cores read it.
typedef struct dash_policy_t dash_policy_t;

// Most objects of each kind. Nothing grows: a further object is refused with `DASH_FULL`.
// Routes, PA prefixes, trusted ranges and underlay routes share one pool of prefixes.
typedef struct dash_capacity_t {
  // `DASH_ABI_VERSION`.
  uint32_t abi_version;
  // `sizeof(dash_capacity_t)`.
  uint32_t struct_size;
  // Packet cores that may read the policy while it is changed, at most `DASH_MAX_CORES`.
  // 0: there is one core, and it is never in a call during a change, as on a single thread;
  // memory that a change gives up is then used again at once.
  uint32_t cores;
  // Appliances.
  uint32_t appliances;
  // Directions.
  uint32_t directions;
  // ENIs, numbered from 0; at most 65,536.
  uint32_t enis;
  // VNETs.
  uint32_t vnets;
  // Routing types.
  uint32_t routing_types;
  // Route groups, numbered from 0; at most 65,536.
  uint32_t route_groups;
  // Routes of all groups.
  uint32_t routes;
  // Those of them that have an overlay IP.
  uint32_t overlay_routes;
  // CA-PA mappings of all VNETs.
  uint32_t mappings;
  // Distinct underlay addresses of mappings, counted for each VNET.
  uint32_t mapping_underlays;
  // Pairs of ENI and VNI that have inbound rules. The rules count in `acl_words`.
  uint32_t inbound_sets;
  // VNIs that have PA prefixes.
  uint32_t pa_vnis;
  // PA prefixes of all VNIs.
  uint32_t pa_prefixes;
  // Trusted VNI ranges of all appliances and ENIs.
  uint32_t trusted_ranges;
  // Underlay routes.
  uint32_t underlay_routes;
  // ACL groups, numbered from 0.
  uint32_t acl_groups;
  // 32-bit words for the compiled rules of all ACL groups and inbound rules, and for compiling.
  // 4,096, 84 a rule, 50 an element of its lists and 66 an IPv6 prefix suffice for a group; a
  // group that is replaced takes the words of its old and of its new rules.
  uint32_t acl_words;
  // Tags, numbered from 0.
  uint32_t tags;
  // Prefixes of all tags; a prefix in two tags counts twice.
  uint32_t tag_prefixes;
} dash_capacity_t;

// How much memory something takes.
typedef struct dash_layout_t {
  // Bytes; 0: none, and then the region may be NULL.
  size_t bytes;
  // Alignment of its first byte, a power of two.
  size_t alignment;
} dash_layout_t;

// The memory that a policy and each of its cores take.
typedef struct dash_sizes_t {
  // The policy's handle. This region must be zeroed before its first use.
  struct dash_layout_t policy;
  // What the policy holds, read by all cores.
  struct dash_layout_t policy_words;
  // A core's handle: the engine, its queue and the frames of a burst. This region must be
  // zeroed before its first use.
  struct dash_layout_t core;
  // A core's index of flows: read for each frame, so worth fast memory.
  struct dash_layout_t flow_buckets;
  // A core's flows.
  struct dash_layout_t flow_slots;
  // The next hops of a core's flows, which have an appliance's address and its neighbor's MAC: one
  // is read for each frame, so worth fast memory.
  struct dash_layout_t next_hops;
  // A core's counters of ENIs.
  struct dash_layout_t eni_counters;
} dash_sizes_t;

// A region of memory, handed over until the handle that it is for is destroyed. Only the handle's
// own region needs a content (zeros); the others are overwritten.
typedef struct dash_region_t {
  // Its first byte.
  void *memory;
  // Its bytes. More than are needed are left unused.
  size_t bytes;
} dash_region_t;

// What a policy is made of.
typedef struct dash_policy_config_t {
  // `DASH_ABI_VERSION`.
  uint32_t abi_version;
  // `sizeof(dash_policy_config_t)`.
  uint32_t struct_size;
  // How much it holds.
  const struct dash_capacity_t *capacity;
  // A secret that traffic cannot predict, new at each start: tables are hashed with it, and
  // whoever knows it can choose addresses that collide.
  uint64_t seed[2];
  // As `dash_sizes_t.policy`, zeroed before its first use.
  struct dash_region_t policy;
  // As `dash_sizes_t.policy_words`.
  struct dash_region_t policy_words;
} dash_policy_config_t;

// A MAC address, in the order of the wire.
typedef struct dash_mac_t {
  // The six octets.
  uint8_t octets[6];
} dash_mac_t;

// The DPU as the underlay sees it (`DASH_APPLIANCE_TABLE`). Frames to its addresses are ours, and
// the encapsulations that we write come from them.
typedef struct dash_appliance_t {
  // Key: its number.
  uint32_t id;
  // VNI of tunnels to VMs whose ENI has none of its own, 24 bits.
  uint32_t vm_vni;
  // VIP of the IPv4 underlay.
  uint8_t sip[4];
  // VIP of the IPv6 underlay, if `has_sip_v6` is 1.
  uint8_t sip_v6[16];
  // 0 or 1.
  uint8_t has_sip_v6;
  // Outer source MAC of what we send.
  struct dash_mac_t own_mac;
  // Outer destination MAC of what we send.
  struct dash_mac_t neighbor_mac;
} dash_appliance_t;

// What a VNI says of a frame. A VNI without an entry is inbound.
typedef struct dash_direction_t {
  // Key: the VNI, 24 bits.
  uint32_t vni;
  // `DASH_OUTBOUND` or `DASH_INBOUND`.
  uint8_t direction;
  // Which MAC address of the customer frame names the ENI: `DASH_MAC_...`.
  uint8_t mac_override;
} dash_direction_t;

// A VNET (`DASH_VNET_TABLE`).
typedef struct dash_vnet_t {
  // Its VNI, 24 bits; several VNETs may share one.
  uint32_t vni;
  // Key: its number.
  uint16_t id;
} dash_vnet_t;

// A routing type (`DASH_ROUTING_TYPE_TABLE`).
typedef struct dash_routing_type_t {
  // VNI of its static encapsulation, 24 bits; 0: none.
  uint32_t vni;
  // Key: its number.
  uint8_t id;
} dash_routing_type_t;

// A group of outbound routes (`DASH_ROUTE_GROUP_TABLE`).
typedef struct dash_route_group_t {
  // Key: its number, below the capacity.
  uint16_t id;
  // 1: its frames are dropped instead of routed.
  uint8_t disabled;
} dash_route_group_t;

// An IP address, in the order of the wire.
typedef struct dash_address_t {
  // `DASH_IPV4` or `DASH_IPV6`.
  uint8_t version;
  // The octets; of IPv4 the first four.
  uint8_t octets[16];
} dash_address_t;

// An IP prefix.
typedef struct dash_prefix_t {
  // Any address of the prefix: the bits behind it are ignored.
  struct dash_address_t address;
  // Its length in bits, at most 32 or 128.
  uint8_t length;
} dash_prefix_t;

// An outbound route (`DASH_ROUTE_TABLE`).
typedef struct dash_route_t {
  // Its group. Part of the key.
  uint16_t group;
  // Customer destinations. Part of the key.
  struct dash_prefix_t prefix;
  // `DASH_DROP`, `DASH_DIRECT`, `DASH_TO_VNET` or `DASH_TO_VNET_DIRECT`.
  uint8_t action;
  // 1: `overlay_ip` counts. Only with `DASH_TO_VNET_DIRECT`.
  uint8_t has_overlay_ip;
  // The VNET.
  uint16_t vnet;
  // The address whose mapping is looked up; the frame keeps its own.
  struct dash_address_t overlay_ip;
} dash_route_t;

// Where a customer address of a VNET lives (`DASH_VNET_MAPPING_TABLE`).
typedef struct dash_mapping_t {
  // Its VNET. Part of the key.
  uint16_t vnet;
  // The customer address. Part of the key.
  struct dash_address_t customer;
  // 1: `underlay_v4` counts. With both, the IP version of the received outer frame decides;
  // with neither, `DASH_BAD_VALUE`.
  uint8_t has_underlay_v4;
  // 1: `underlay_v6` counts.
  uint8_t has_underlay_v6;
  // 1: `vni` counts.
  uint8_t has_vni;
  // Of a mapping without a VNI, whose routing type has none either. 1: the VNI is that of this
  // VNET; 0: that of the ENI's.
  uint8_t use_dst_vni;
  // Underlay address, IPv4.
  uint8_t underlay_v4[4];
  // Underlay address, IPv6.
  uint8_t underlay_v6[16];
  // Destination MAC of the customer frame.
  struct dash_mac_t mac;
  // Its routing type.
  uint8_t routing_type;
  // A VNI of its own, 24 bits.
  uint32_t vni;
} dash_mapping_t;

// An underlay prefix that frames of a VNI may come from (`DASH_PA_VALIDATION_TABLE`). All of it
// is the key.
typedef struct dash_pa_prefix_t {
  // The VNI, 24 bits.
  uint32_t vni;
  // The prefix.
  struct dash_prefix_t prefix;
} dash_pa_prefix_t;

// A prefix of a tag (`DASH_PREFIX_TAG_TABLE`). All of it is the key.
typedef struct dash_tag_prefix_t {
  // Its tag: a number below the capacity.
  uint32_t tag;
  // The prefix.
  struct dash_prefix_t prefix;
} dash_tag_prefix_t;

// Ports from `first` to `last`, both included.
typedef struct dash_port_range_t {
  // The first.
  uint16_t first;
  // The last.
  uint16_t last;
} dash_port_range_t;

// A rule of an ACL group (`DASH_ACL_RULE_TABLE`). An empty list matches everything, another one
// if any element does. A side that has both prefixes and tags is their union. The lists are read
// during the call that applies the change, not later.
typedef struct dash_acl_rule_t {
  // Lower is looked at first.
  uint32_t priority;
  // 1: permit; 0: deny.
  uint8_t permit;
  // 1: no later stage is asked.
  uint8_t terminating;
  // IP protocols.
  const uint8_t *protocols;
  // How many.
  size_t protocol_count;
  // Customer sources.
  const struct dash_prefix_t *sources;
  // How many.
  size_t source_count;
  // Customer destinations.
  const struct dash_prefix_t *destinations;
  // How many.
  size_t destination_count;
  // Tags of customer sources.
  const uint32_t *source_tags;
  // How many.
  size_t source_tag_count;
  // Tags of customer destinations.
  const uint32_t *destination_tags;
  // How many.
  size_t destination_tag_count;
  // Source ports.
  const struct dash_port_range_t *source_ports;
  // How many.
  size_t source_port_count;
  // Destination ports.
  const struct dash_port_range_t *destination_ports;
  // How many.
  size_t destination_port_count;
} dash_acl_rule_t;

// An ACL group with all its rules (`DASH_ACL_GROUP_TABLE`): cores see the old rules or the new
// ones.
typedef struct dash_acl_group_t {
  // Key: its number, below the capacity.
  uint32_t id;
  // `DASH_IPV4` or `DASH_IPV6`: of the customer frames that it is for.
  uint8_t ip_version;
  // Its rules, in any order.
  const struct dash_acl_rule_t *rules;
  // How many.
  size_t rule_count;
} dash_acl_group_t;

// An inbound rule (`DASH_ROUTE_RULE_TABLE`).
typedef struct dash_inbound_rule_t {
  // Lower is looked at first.
  uint32_t priority;
  // Underlay sources.
  struct dash_prefix_t prefix;
  // Protocol of the customer frame; 0: any.
  uint8_t protocol;
  // `DASH_DECAP` or `DASH_DROP`.
  uint8_t action;
  // 1: `vnet` counts; 0: the frames come from the ENI's VNET.
  uint8_t has_vnet;
  // 1: the frames' underlay source must belong to their VNET.
  uint8_t pa_validation;
  // The VNET that the frames come from.
  uint16_t vnet;
} dash_inbound_rule_t;

// The inbound rules of an ENI and a VNI whose prefixes are of one IP version, all of them.
// `DASH_REMOVE` removes those of both versions.
typedef struct dash_inbound_rules_t {
  // The ENI. Part of the key.
  uint16_t eni;
  // `DASH_IPV4` or `DASH_IPV6`: of the underlay.
  uint8_t ip_version;
  // The VNI, 24 bits. Part of the key.
  uint32_t vni;
  // The rules, ascending by priority, of equal priorities the longer prefix first.
  const struct dash_inbound_rule_t *rules;
  // How many.
  size_t rule_count;
} dash_inbound_rules_t;

// A range of VNIs whose frames may reach policy. All of it is the key.
typedef struct dash_trusted_vnis_t {
  // `DASH_OF_APPLIANCE` or `DASH_OF_ENI`.
  uint8_t owner;
  // The appliance or ENI.
  uint32_t id;
  // The first VNI.
  uint32_t first;
  // The last VNI.
  uint32_t last;
} dash_trusted_vnis_t;

// An underlay route. Without one, frames leave by the port that they came in at.
typedef struct dash_underlay_route_t {
  // Key: destinations as written on the frame.
  struct dash_prefix_t prefix;
  // `DASH_DROP` or `DASH_FORWARD`.
  uint8_t action;
  // The port.
  uint16_t port;
} dash_underlay_route_t;

// An ACL group that is bound to a stage.
typedef struct dash_acl_binding_t {
  // 1: `group` counts; 0: the stage is skipped.
  uint8_t bound;
  // The group.
  uint32_t group;
} dash_acl_binding_t;

// The network interface of a VM (`DASH_ENI_TABLE`, `DASH_ENI_ROUTE_TABLE`, `DASH_ACL_IN_TABLE`,
// `DASH_ACL_OUT_TABLE`).
typedef struct dash_eni_t {
  // Key: its number, below the capacity.
  uint16_t id;
  // Its VNET.
  uint16_t vnet;
  // The appliance whose VIP, MACs and `vm_vni` it uses.
  uint32_t appliance;
  // Its MAC address, by which frames find it.
  struct dash_mac_t mac;
  // `admin_state`. 1: it passes frames.
  uint8_t enabled;
  // 1: `vm_vni` counts; 0: the appliance's does.
  uint8_t has_vm_vni;
  // 1: `route_group` counts; 0: it has no outbound routes.
  uint8_t has_route_group;
  // Underlay address of the VM's host.
  struct dash_address_t underlay_ip;
  // Its outbound routes.
  uint16_t route_group;
  // VNI of the tunnel to the VM, 24 bits.
  uint32_t vm_vni;
  // ACL groups of IPv4 frames to the VM, stage 1 first.
  struct dash_acl_binding_t inbound_v4[DASH_ACL_STAGES];
  // ACL groups of IPv6 frames to the VM.
  struct dash_acl_binding_t inbound_v6[DASH_ACL_STAGES];
  // ACL groups of IPv4 frames from the VM.
  struct dash_acl_binding_t outbound_v4[DASH_ACL_STAGES];
  // ACL groups of IPv6 frames from the VM.
  struct dash_acl_binding_t outbound_v6[DASH_ACL_STAGES];
} dash_eni_t;

// An object; `dash_change_t.object` says which.
typedef union dash_object_t {
  // `DASH_APPLIANCE`.
  struct dash_appliance_t appliance;
  // `DASH_DIRECTION`.
  struct dash_direction_t direction;
  // `DASH_VNET`.
  struct dash_vnet_t vnet;
  // `DASH_ROUTING_TYPE`.
  struct dash_routing_type_t routing_type;
  // `DASH_ROUTE_GROUP`.
  struct dash_route_group_t route_group;
  // `DASH_ROUTE`.
  struct dash_route_t route;
  // `DASH_MAPPING`.
  struct dash_mapping_t mapping;
  // `DASH_PA_PREFIX`.
  struct dash_pa_prefix_t pa_prefix;
  // `DASH_TAG_PREFIX`.
  struct dash_tag_prefix_t tag_prefix;
  // `DASH_ACL_GROUP`.
  struct dash_acl_group_t acl_group;
  // `DASH_INBOUND_RULES`.
  struct dash_inbound_rules_t inbound_rules;
  // `DASH_TRUSTED_VNIS`.
  struct dash_trusted_vnis_t trusted_vnis;
  // `DASH_UNDERLAY_ROUTE`.
  struct dash_underlay_route_t underlay_route;
  // `DASH_ENI`.
  struct dash_eni_t eni;
} dash_object_t;

// One object made, replaced or removed. An object may name another that does not exist: frames
// that need it then meet an ordinary miss. Nothing is cascaded: what depends on a removed object
// stays.
//
// Every member of the object is read, also those whose `has_...` is 0: set the whole of it to
// zeros first, as an initialiser does.
typedef struct dash_change_t {
  // `DASH_SET` or `DASH_REMOVE`.
  uint32_t op;
  // `DASH_APPLIANCE` to `DASH_ENI`.
  uint32_t object;
  // The object. The member of this name in the union.
  union dash_object_t change;
} dash_change_t;

// A frame: one contiguous piece of memory, with free bytes in front of the frame and behind it.
//
// Memory: the caller's, as is this struct; both belong to the library from the call that takes the
// frame to the callback that ends it. The frame is changed in place, and grows to the front: in
// front of it there should be 128 free bytes.
typedef struct dash_frame_t {
  // The first byte of the memory. No alignment is assumed.
  uint8_t *memory;
  // Bytes of the memory, less than 2 GiB.
  size_t capacity;
  // Where the frame starts: its Ethernet header. Changed by the library.
  size_t offset;
  // Bytes of the frame, without FCS. Changed by the library.
  size_t length;
  // The caller's own; never looked at.
  void *cookie;
  // 1 while the library has the frame. The caller sets it to 0 once, when it makes the struct.
  uint32_t held;
  // The port that the frame came in at.
  uint16_t port;
  // What the NIC knows of it: `DASH_FRAME_...`; 0: nothing.
  uint16_t flags;
  // Tag control information (PCP, DEI, VID) of the tag that was taken off.
  uint16_t vlan;
} dash_frame_t;

// What names a flow: one direction of a conversation of an ENI.
typedef struct dash_flow_key_t {
  // MAC address of the ENI.
  struct dash_mac_t eni;
  // VNET of the ENI.
  uint16_t vnet;
  // `DASH_OUTBOUND` or `DASH_INBOUND`.
  uint8_t direction;
  // IP protocol.
  uint8_t protocol;
  // Customer source.
  struct dash_address_t source;
  // Customer destination.
  struct dash_address_t destination;
  // Source port, 0 for protocols without ports.
  uint16_t source_port;
  // Destination port, 0 for protocols without ports.
  uint16_t destination_port;
} dash_flow_key_t;

// A flow that is no more. Each half of a conversation is told of by itself. Times are those of the
// `now` callback, ns.
typedef struct dash_removed_flow_t {
  // What named it.
  struct dash_flow_key_t key;
  // Number of the ENI that it was made for.
  uint16_t eni;
  // `DASH_REMOVED_IDLE` to `DASH_REMOVED_EVICTED`. More may be added.
  uint8_t reason;
  // 1: its direction created the conversation.
  uint8_t creator;
  // Its frames, those that hardware forwarded included.
  uint64_t packets;
  // Their bytes as received, without FCS.
  uint64_t bytes;
  // When it was installed.
  uint64_t created;
  // When its last frame came.
  uint64_t used;
  // When it was removed.
  uint64_t removed;
} dash_removed_flow_t;

// A header change, in the order in which its parts happen. Members whose change is not made are
// zeros.
typedef struct dash_rewrite_t {
  // What is changed: `DASH_POP_OUTER` to `DASH_COPY_DSCP`.
  uint16_t changes;
  // Tag control information (PCP, DEI, VID).
  uint16_t vlan;
  // Source MAC.
  struct dash_mac_t source_mac;
  // Destination MAC.
  struct dash_mac_t destination_mac;
  // Outer source.
  struct dash_address_t outer_source;
  // Outer destination.
  struct dash_address_t outer_destination;
  // VNI.
  uint32_t outer_vni;
} dash_rewrite_t;

// A flow. Times are those of the `now` callback, ns.
typedef struct dash_flow_t {
  // What names it.
  struct dash_flow_key_t key;
  // 1: its direction created the conversation, and is judged anew when policy changes.
  uint8_t creator;
  // 1: its frames leave by `egress`; 0: by the port that they came in at.
  uint8_t has_egress;
  // The port.
  uint16_t egress;
  // The header change of its frames.
  struct dash_rewrite_t rewrite;
  // Its frames.
  uint64_t packets;
  // Their bytes as received, without FCS.
  uint64_t bytes;
  // When it was installed.
  uint64_t created;
  // When its last frame came.
  uint64_t used;
  // It ends after so many milliseconds without a frame of its conversation; 0: never.
  uint32_t idle_timeout;
  // It ends so many milliseconds after `created`; 0: never.
  uint32_t hard_timeout;
} dash_flow_t;

// What hardware forwarded of a flow since it was last asked; nothing twice, nothing left out.
typedef struct dash_hits_t {
  // Frames.
  uint64_t packets;
  // Their bytes as received, without FCS.
  uint64_t received;
  // Their bytes as sent, without FCS.
  uint64_t sent;
  // When the last of them came, in time of the `now` callback; hardware without a clock answers
  // the time of the asking. Not looked at when there was none.
  uint64_t last;
} dash_hits_t;

// Hardware that forwards flows in place of the library: all three callbacks, or NULL each where
// there is none. `id` is the flow's position in the core's table, below `dash_core_config_t.flows`;
// of the flows that the hardware has from one core no two have one number.
//
// The hardware forwards frames of a flow as the library would, byte for byte, by `rewrite` and
// `egress` of the flow; it drops nothing. To `dash_core_process` go, as they came, frames that are
// malformed, truncated, fragments, with options, extension headers or tags, or with a checksum that
// the NIC found wrong; TCP with SYN, FIN or RST; frames without TTL left, or longer than the MTU.
// Any other frame may go there too. `targets/PORTING.md` says more.
//
// All three are called by `dash_core_tick`, `withdraw` also by `dash_core_process`, by
// `dash_core_remove_flow`, and for each flow that is left by `dash_core_destroy`; `hits` also by
// `dash_core_process`.
typedef struct dash_flow_offload_t {
  // Offers a flow that had `DASH_OFFER_AFTER` frames. Answers 0 when the hardware takes it; it
  // is then not offered again before it was withdrawn. Anything else refuses; it is offered
  // again by later ticks. `flow` is to be copied.
  int (*offer)(void *user, uint32_t id, const struct dash_flow_t *flow);
  // Writes to `*hits`, which is all 0 before, what was forwarded of a flow that the hardware
  // has.
  void (*hits)(void *user, uint32_t id, struct dash_hits_t *hits);
  // Takes the flow away from the hardware, and writes its last hits to `*hits`, which is all 0
  // before. When it returns, the hardware forwards no further frame of the flow; `id` may then
  // name another one.
  void (*withdraw)(void *user, uint32_t id, struct dash_hits_t *hits);
} dash_flow_offload_t;

// What a core asks of the caller. A callback must not call the library with the handle of the
// core that calls it (`DASH_REENTERED`), and must return: neither `longjmp` nor a C++ exception
// may leave it.
typedef struct dash_callbacks_t {
  // Handed to each callback.
  void *user;
  // Nanoseconds since an arbitrary start, monotonic: the time holds where it would step back.
  // Called once a burst.
  uint64_t (*now)(void *user);
  // Sends a frame by `port`. It is complete: checksums included, FCS not.
  //
  // Answers 0 when it took the frame, which is then the caller's again (and the device's until
  // it was read). Anything else says that the ring is full: the library keeps the frame, and
  // those behind it for that port, and offers it again in a later call. What can never leave
  // (`port` unknown or down) is to be taken, and counted by the caller.
  int (*send)(void *user, uint16_t port, struct dash_frame_t *frame);
  // Takes back a frame that was dropped.
  void (*release)(void *user, struct dash_frame_t *frame);
  // Tells of a flow that was removed; may be NULL. Called by whatever call removes it, so it is
  // to be as fast as `send`. Answers 0 when it took it down, and anything else when it has no
  // place: the library does not tell again, but counts in `dash_flow_counters_t.untold`. `flow`
  // is to be copied.
  int (*flow_removed)(void *user, const struct dash_removed_flow_t *flow);
  // Hardware that forwards flows, if there is any.
  struct dash_flow_offload_t offload;
} dash_callbacks_t;

// What a core is made of.
typedef struct dash_core_config_t {
  // `DASH_ABI_VERSION`.
  uint32_t abi_version;
  // `sizeof(dash_core_config_t)`.
  uint32_t struct_size;
  // The policy that it reads. It must outlive the core.
  struct dash_policy_t *policy;
  // Its number among the policy's cores, from 0. No two cores that live have the same.
  uint32_t number;
  // Most flows that it remembers, two for each conversation; 0: none.
  uint32_t flows;
  // A secret that traffic cannot predict, new at each start.
  uint64_t seed[2];
  // A flow without frames ends after so many milliseconds; 0: never.
  uint32_t idle_timeout;
  // Later fragments of a datagram pass for so many milliseconds after the first; 0: fragments
  // are dropped.
  uint32_t fragment_timeout;
  // Most flows of one ENI, two for each conversation; 0: as many as there are places.
  uint32_t flows_per_eni;
  // 1: TCP without a flow is dropped unless it opens a connection.
  uint8_t tcp_strict;
  // What becomes of a permitted frame whose flow finds no place, or is more than its ENI may have: `DASH_FULL_FORWARD` to
  // `DASH_FULL_EVICT`.
  uint8_t when_full;
  // For each port, from 0, the most bytes after the Ethernet header that it sends. Read while
  // the core lives. Ports behind the last one have no such limit.
  const uint16_t *mtu;
  // How many; 0: `mtu` may be NULL.
  size_t mtu_count;
  // What it asks of the caller.
  struct dash_callbacks_t callbacks;
  // As `dash_sizes_t.core`, zeroed before its first use.
  struct dash_region_t core;
  // As `dash_sizes_t.flow_buckets`.
  struct dash_region_t flow_buckets;
  // As `dash_sizes_t.flow_slots`.
  struct dash_region_t flow_slots;
  // As `dash_sizes_t.next_hops`.
  struct dash_region_t next_hops;
  // As `dash_sizes_t.eni_counters`.
  struct dash_region_t eni_counters;
} dash_core_config_t;

// Frames and their bytes, without FCS.
typedef struct dash_traffic_t {
  // Frames.
  uint64_t packets;
  // Bytes.
  uint64_t bytes;
} dash_traffic_t;

// Counters of one ENI on one core.
typedef struct dash_eni_counters_t {
  // Received for it, dropped ones included; bytes as received.
  struct dash_traffic_t rx;
  // Sent for it; bytes as sent.
  struct dash_traffic_t tx;
  // Of `rx`, from the VM.
  struct dash_traffic_t outbound_rx;
  // Of `tx`, from the VM.
  struct dash_traffic_t outbound_tx;
  // Of `rx`, to the VM.
  struct dash_traffic_t inbound_rx;
  // Of `tx`, to the VM.
  struct dash_traffic_t inbound_tx;
  // Flows that it has in this core, those of fragments included; not a sum.
  uint64_t flows;
  // Frames permitted whose flows found no place in the table, or were more than it may have.
  uint64_t flow_create_failed;
  // Of these, the frames of flows that were more than it may have.
  uint64_t flow_limit_reached;
} dash_eni_counters_t;

// What happened in a core's flow table; each half of a pair counts.
typedef struct dash_flow_counters_t {
  // Flows that are there, also those that have timed out and wait for `dash_core_tick`.
  uint64_t present;
  // Installed.
  uint64_t created;
  // Header change replaced after a change of policy.
  uint64_t replaced;
  // Removed for `DASH_REMOVED_IDLE`.
  uint64_t idle;
  // Removed for `DASH_REMOVED_HARD`.
  uint64_t hard;
  // Removed for `DASH_REMOVED_CLOSED`.
  uint64_t closed;
  // Removed for `DASH_REMOVED_DENIED`.
  uint64_t denied;
  // Removed for `DASH_REMOVED_ORPHANED`.
  uint64_t orphaned;
  // Removed for `DASH_REMOVED_SUPERSEDED`.
  uint64_t superseded;
  // Removed for `DASH_REMOVED_DELETED`.
  uint64_t deleted;
  // Removed for `DASH_REMOVED_EVICTED`.
  uint64_t evicted;
  // Found no place.
  uint64_t full;
  // Taken by hardware.
  uint64_t offloaded;
  // Refused by hardware; a flow counts at each tick that looks at it.
  uint64_t refused;
  // Taken back from hardware.
  uint64_t withdrawn;
  // Removed while `flow_removed` had no place for them.
  uint64_t untold;
} dash_flow_counters_t;

// A flow that is to be. Its frames leave as the underlay routes say.
typedef struct dash_new_flow_t {
  // What names it.
  struct dash_flow_key_t key;
  // The header change of its frames.
  struct dash_rewrite_t rewrite;
  // It ends after so many milliseconds without a frame of its conversation; 0: never.
  uint32_t idle_timeout;
  // It ends so many milliseconds after this; 0: never.
  uint32_t hard_timeout;
} dash_new_flow_t;

// What a flow must be to be read.
typedef struct dash_flow_filter_t {
  // What is compared: `DASH_FLOW_ENI` to `DASH_FLOW_DESTINATION_PORT`.
  uint8_t attribute;
  // How: `DASH_EQ` to `DASH_LE`.
  uint8_t comparison;
  // With what, of attributes that are numbers.
  uint16_t number;
  // With what, of the ENI.
  struct dash_mac_t mac;
  // With what, of addresses.
  struct dash_address_t address;
} dash_flow_filter_t;

// One reading, the caller's: all of it is 0 at first, but for the filters and the limit. It may be
// given up at any time.
typedef struct dash_flow_reading_t {
  // All of them must let a flow pass; at most `DASH_FILTERS`.
  struct dash_flow_filter_t filters[DASH_FILTERS];
  // How many filters there are.
  uint32_t filter_count;
  // 1: there is nothing more to read. The library writes it.
  uint32_t finished;
  // Flows that may still be read. The library counts it down.
  uint64_t limit;
  // Where it goes on. The library's.
  uint64_t position;
} dash_flow_reading_t;

// Of `DASH_STAGE_VIP`.
typedef struct dash_vip_stage_t {
  // Outer destination; of version 0: the frame is tagged, or not IP.
  struct dash_address_t destination;
} dash_vip_stage_t;

// Of `DASH_STAGE_ENI`.
typedef struct dash_eni_stage_t {
  // The address that was looked up.
  struct dash_mac_t mac;
  // The ENI.
  uint16_t eni;
  // Its VNET.
  uint16_t vnet;
  // Its `admin_state`.
  uint8_t enabled;
} dash_eni_stage_t;

// Of `DASH_STAGE_FLOW`.
typedef struct dash_flow_stage_t {
  // `DASH_FLOW_HIT` to `DASH_FLOW_UNCACHED`.
  uint8_t step;
} dash_flow_stage_t;

// Of `DASH_STAGE_TRUSTED_VNI`.
typedef struct dash_trusted_vni_stage_t {
  // VNI as received.
  uint32_t vni;
  // Who trusts it: `DASH_OF_APPLIANCE` or `DASH_OF_ENI`.
  uint8_t owner;
} dash_trusted_vni_stage_t;

// Of `DASH_STAGE_ACL`.
typedef struct dash_acl_stage_t {
  // `DASH_OUTBOUND` or `DASH_INBOUND`.
  uint8_t direction;
  // 1 to `DASH_ACL_STAGES`.
  uint8_t stage;
  // `DASH_ACL_UNBOUND` to `DASH_ACL_RULE`.
  uint8_t answer;
  // Of the rule.
  uint8_t permit;
  // Of the rule.
  uint8_t terminating;
  // Of the rule, which it names within its group.
  uint32_t priority;
  // The group, unless none is bound.
  uint32_t group;
} dash_acl_stage_t;

// Of `DASH_STAGE_ROUTE_GROUP`.
typedef struct dash_route_group_stage_t {
  // 1: the ENI has a group.
  uint8_t has_group;
  // 1: its frames are dropped.
  uint8_t disabled;
  // The group.
  uint16_t group;
} dash_route_group_stage_t;

// Of `DASH_STAGE_ROUTE`.
typedef struct dash_route_stage_t {
  // Customer destination.
  struct dash_address_t destination;
  // The route of its longest prefix.
  struct dash_route_t route;
} dash_route_stage_t;

// Of `DASH_STAGE_VNI`.
typedef struct dash_vni_stage_t {
  // The VNI.
  uint32_t vni;
  // `DASH_VNI_OF_MAPPING` to `DASH_VNI_OF_ENI`.
  uint8_t origin;
  // The VNET.
  uint16_t vnet;
} dash_vni_stage_t;

// Of `DASH_STAGE_INBOUND_RULE`.
typedef struct dash_inbound_rule_stage_t {
  // ENI.
  uint16_t eni;
  // Protocol of the customer frame.
  uint8_t protocol;
  // Of the rule: `DASH_DECAP` or `DASH_DROP`.
  uint8_t action;
  // Of the rule: 1: `vnet` counts; 0: the ENI's does.
  uint8_t has_vnet;
  // Of the rule.
  uint8_t pa_validation;
  // Of the rule.
  uint16_t vnet;
  // Of the rule.
  uint32_t priority;
  // VNI as received.
  uint32_t vni;
  // Outer source.
  struct dash_address_t source;
} dash_inbound_rule_stage_t;

// Of `DASH_STAGE_PA_VALIDATION`.
typedef struct dash_pa_validation_stage_t {
  // The VNET that the frame must come from.
  uint16_t vnet;
  // 1: that VNET exists, and `vni` counts.
  uint8_t has_vni;
  // What makes it valid: `DASH_VALID_MAPPING` or `DASH_VALID_PREFIX`.
  uint8_t by;
  // Of the prefix, bits.
  uint8_t length;
  // VNI of the VNET.
  uint32_t vni;
  // Outer source.
  struct dash_address_t source;
} dash_pa_validation_stage_t;

// Of `DASH_STAGE_COMPILED`.
typedef struct dash_compiled_stage_t {
  // Of this frame.
  struct dash_rewrite_t rewrite;
  // 1: `reverse` counts; 0: answers have no way back, so no flow is kept.
  uint8_t has_reverse;
  // Of its answers.
  struct dash_rewrite_t reverse;
} dash_compiled_stage_t;

// Of `DASH_STAGE_UNDERLAY`.
typedef struct dash_underlay_stage_t {
  // The destination that is written.
  struct dash_address_t destination;
  // The route of its longest prefix.
  struct dash_underlay_route_t route;
} dash_underlay_stage_t;

// What a stage was asked for and what it answered; `dash_stage_t.stage` says which member.
// Members that come of an answer are zeros when there is none.
typedef union dash_stage_detail_t {
  // `DASH_STAGE_VIP`.
  struct dash_vip_stage_t vip;
  // `DASH_STAGE_DIRECTION`.
  struct dash_direction_t direction;
  // `DASH_STAGE_ENI`.
  struct dash_eni_stage_t eni;
  // `DASH_STAGE_KEY`.
  struct dash_flow_key_t key;
  // `DASH_STAGE_FLOW`.
  struct dash_flow_stage_t flow;
  // `DASH_STAGE_TRUSTED_VNI`.
  struct dash_trusted_vni_stage_t trusted_vni;
  // `DASH_STAGE_ACL`.
  struct dash_acl_stage_t acl;
  // `DASH_STAGE_ROUTE_GROUP`.
  struct dash_route_group_stage_t route_group;
  // `DASH_STAGE_ROUTE`.
  struct dash_route_stage_t route;
  // `DASH_STAGE_MAPPING`.
  struct dash_mapping_t mapping;
  // `DASH_STAGE_VNI`.
  struct dash_vni_stage_t vni;
  // `DASH_STAGE_INBOUND_RULE`.
  struct dash_inbound_rule_stage_t inbound_rule;
  // `DASH_STAGE_PA_VALIDATION`.
  struct dash_pa_validation_stage_t pa_validation;
  // `DASH_STAGE_COMPILED`.
  struct dash_compiled_stage_t compiled;
  // `DASH_STAGE_UNDERLAY`.
  struct dash_underlay_stage_t underlay;
} dash_stage_detail_t;

// What one stage did for a frame.
typedef struct dash_stage_t {
  // `DASH_STAGE_VIP` to `DASH_STAGE_UNDERLAY`.
  uint8_t stage;
  // 1: a table was asked and has an entry.
  uint8_t found;
  // The rest. The member that belongs to the stage.
  union dash_stage_detail_t detail;
} dash_stage_t;

// What would become of a frame.
typedef struct dash_explanation_t {
  // Stages that said something.
  size_t stages;
  // Of a drop; see `dash_drop_name`.
  uint32_t reason;
  // Of a frame that leaves.
  uint16_t port;
  // `DASH_SENT` or `DASH_DROPPED`.
  uint8_t end;
} dash_explanation_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

// A status in words, in English. Static storage; never NULL; any number may be asked for.
const char *dash_status_text(uint32_t status);

// Says how much memory a policy of `capacity` takes, and a core of it with `flows` flows (two for
// each conversation; 0: the core remembers none). The answer depends on nothing else.
//
// Threads: any, at any time.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_VERSION`, `DASH_OUT_OF_RANGE`.
enum dash_status_t dash_sizes(const struct dash_capacity_t *capacity,
                              uint32_t flows,
                              struct dash_sizes_t *sizes);

// Makes an empty policy in the regions of `config`, and puts its handle into `*policy`. The
// regions belong to the policy until `dash_policy_destroy`; `config` is not used after the call.
//
// Threads: any. Memory: the regions alone.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL`, `DASH_OVERLAP`, `DASH_BAD_VERSION`,
// `DASH_OUT_OF_RANGE`; `DASH_IN_USE` when a policy lives in the region of the handle,
// `DASH_BAD_HANDLE` when that region does not begin with zeros.
enum dash_status_t dash_policy_create(const struct dash_policy_config_t *config,
                                      struct dash_policy_t **policy);

// Ends a policy whose cores are all destroyed. Its regions are the caller's again.
//
// Threads: that of the policy.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`; `DASH_IN_USE` while
// a core lives.
enum dash_status_t dash_policy_destroy(struct dash_policy_t *policy);

// Says how much scratch memory `dash_policy_apply` takes for these changes: what their ACL groups
// and inbound rules need, 0 bytes without any.
//
// Threads: any, at any time.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_OUT_OF_RANGE`.
enum dash_status_t dash_scratch_size(const struct dash_change_t *changes,
                                     size_t count,
                                     struct dash_layout_t *scratch);

// Carries out `changes`, in their order, as one transaction: all of them, or none. Flows of the
// ENIs that they touch are evaluated again at their next frame. A refused transaction leaves
// the policy as it was; `*failed`, which may be NULL, is then the index of the change that was
// refused.
//
// A transaction needs room for what it makes beside what it removes, and, unless `cores` is 0,
// for what it replaces, which the cores may still read: of appliances, ENIs, mappings and routes
// with an overlay IP 64 at a time, or an eighth of the capacity if that is more. What is too large
// for one transaction may fit into several.
//
// `scratch` is as `dash_scratch_size` says. It, the changes and what they point at are not used
// after the call.
//
// Threads: that of the policy; cores may run meanwhile. Frames meet the objects before or after
// a change, never between.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL` (scratch memory), `DASH_BAD_HANDLE`,
// `DASH_REENTERED`; of a change `DASH_BAD_VALUE`, `DASH_OUT_OF_RANGE`, `DASH_VNI_TOO_LARGE`,
// `DASH_EMPTY_RANGE`, `DASH_DISORDERED`, `DASH_ACL_GROUP_BOUND`, `DASH_ACL_GROUP_VERSION`,
// `DASH_FULL`; `DASH_AGAIN` when memory that was just given up may still be read.
enum dash_status_t dash_policy_apply(struct dash_policy_t *policy,
                                     const struct dash_change_t *changes,
                                     size_t count,
                                     struct dash_region_t scratch,
                                     size_t *failed);

// Makes a core in the regions of `config`, without flows and with counters of 0, and puts its
// handle into `*core`. The regions belong to the core until `dash_core_destroy`; `config` is not
// used after the call, but `policy`, `mtu`, the callbacks and `user` are.
//
// Threads: that of the policy; the core may then be used by another one.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL`, `DASH_BAD_VERSION`, `DASH_BAD_VALUE`,
// `DASH_OUT_OF_RANGE`; `DASH_OVERLAP`, also with the regions of the policy and of its other cores;
// `DASH_IN_USE` when one of those has this number, or some core lives in the region of the handle;
// `DASH_BAD_HANDLE` when that region does not begin with zeros, or `policy` is none;
// `DASH_REENTERED` when `policy` is in another call.
enum dash_status_t dash_core_create(const struct dash_core_config_t *config,
                                    struct dash_core_t **core);

// Ends a core. Frames that wait for their port are released first, and if there is anybody to
// tell, its flows are removed: hardware gives them back, `flow_removed` is called for each. Its
// regions are the caller's again.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
enum dash_status_t dash_core_destroy(struct dash_core_t *core);

// Processes `count` frames, oldest first, and sends what the ports take. `*taken` says how many
// of them the library took: those from `frames[*taken]` on are still the caller's.
//
// Each frame that was taken ends in exactly one callback, in this call or in a later one: `send`
// that answers 0, or `release`. Frames of one port leave in the order in which they came. An empty
// burst sends what waits, and says that this core has read nothing of older policy; a core that
// has no frames makes one now and then.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`; of the frame
// `frames[*taken]` also `DASH_BAD_FRAME` and `DASH_IN_USE` (it is the library's already), after the
// frames in front of it were processed; `DASH_AGAIN` when `DASH_QUEUE` frames wait for ports whose
// rings are full.
enum dash_status_t dash_core_process(struct dash_core_t *core,
                                     struct dash_frame_t *const *frames,
                                     size_t count,
                                     size_t *taken);

// Looks at the next `budget` flows and removes those that have timed out or whose ENI is gone;
// offers the others to hardware, takes them back from it, and asks for its hits. To be called now
// and then, so that each flow is looked at once in, say, an idle time-out: flows
// that have timed out are never used, but take a place until then.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
enum dash_status_t dash_core_tick(struct dash_core_t *core, size_t budget);

// Copies the counters of frames dropped by this core into `drops[0]` to
// `drops[DASH_DROP_REASONS - 1]`, those of frames without an ENI included. Frames that the library
// took = frames sent + these + those that wait.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL` (`count` is less than
// `DASH_DROP_REASONS`), `DASH_BAD_HANDLE`, `DASH_REENTERED`.
enum dash_status_t dash_core_drops(struct dash_core_t *core, uint64_t *drops, size_t count);

// Copies the counters of an ENI into `*counters`, and, if `drops` is not NULL, those of its
// dropped frames as `dash_core_drops` does.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_TOO_SMALL`, `DASH_BAD_HANDLE`, `DASH_REENTERED`;
// `DASH_OUT_OF_RANGE` when `eni` is not below its capacity.
enum dash_status_t dash_core_eni_counters(struct dash_core_t *core,
                                          uint16_t eni,
                                          struct dash_eni_counters_t *counters,
                                          uint64_t *drops,
                                          size_t count);

// Counts an ENI from 0 again, for a number that a new ENI takes over.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`;
// `DASH_OUT_OF_RANGE` when `eni` is not below its capacity.
enum dash_status_t dash_core_reset_eni_counters(struct dash_core_t *core, uint16_t eni);

// Copies the counters of a core's flow table into `*counters`.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
enum dash_status_t dash_core_flow_counters(struct dash_core_t *core,
                                           struct dash_flow_counters_t *counters);

// Writes the name of a reason to drop a frame to `name`, at most `bytes` bytes of it, its end
// included: such as `acl_out_drop.1`. `DASH_NAME_BYTES` are enough.
//
// Threads: any, at any time.
// Errors: `DASH_NULL`, `DASH_TOO_SMALL`; `DASH_OUT_OF_RANGE` when `reason` is not below
// `DASH_DROP_REASONS`.
enum dash_status_t dash_drop_name(uint32_t reason, char *name, size_t bytes);

// Copies the next flows that live into `flows`, at most `count`, and says in `*found` how many.
// `*cursor` is 0 for the first call; each call moves it on, and once `*found` is less than `count`
// there are no more.
//
// The walk may take as many calls as it likes, with bursts in between: flows that are there all
// the while are seen once, others once or not at all. One call looks at as many places of the
// table as it takes to find `count` flows, at most at all of them.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_HANDLE`, `DASH_REENTERED`.
enum dash_status_t dash_core_flows(struct dash_core_t *core,
                                   size_t *cursor,
                                   struct dash_flow_t *flows,
                                   size_t count,
                                   size_t *found);

// Creates a conversation: the flow `flow`, and `answers` of its answers, which is removed with it;
// both or none. `answers` may be NULL: then `flow` lives alone. Flows that have one of their keys go.
//
// They are like flows that policy made: a frame that hits one asks no policy, until the policy of the
// ENI changes; then the next frame of `flow` does. A TCP conversation counts as open.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_VALUE` (a key, or no ENI of its VNET has its MAC
// address; both keys are one, or of two ENIs; `changes`; outer addresses, or their versions, which
// must be the same), `DASH_VNI_TOO_LARGE`, `DASH_FULL` (no place, or more flows than the ENI may have),
// `DASH_BAD_HANDLE`, `DASH_REENTERED`.
enum dash_status_t dash_core_create_flow(struct dash_core_t *core,
                                         const struct dash_new_flow_t *flow,
                                         const struct dash_new_flow_t *answers);

// Removes the flow of `key` and that of the other direction, if they are there: their next frame
// asks policy.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_VALUE` (`direction`, the addresses, or their
// versions, which must be the same), `DASH_BAD_HANDLE`, `DASH_REENTERED`.
enum dash_status_t dash_core_remove_flow(struct dash_core_t *core,
                                         const struct dash_flow_key_t *key);

// Goes on with a reading: looks at the next `budget` places of the flow table, and copies flows that
// live and pass the filters into `flows`, at most `count`. `*found` says how many.
//
// Bursts may come in between: a flow that is there all the while is read once, others once or not
// at all.
//
// Threads: that of the core.
// Errors: `DASH_NULL`, `DASH_MISALIGNED`, `DASH_BAD_VALUE` (more filters than `DASH_FILTERS`, or what
// they say), `DASH_BAD_HANDLE`, `DASH_REENTERED`.
enum dash_status_t dash_core_read_flows(struct dash_core_t *core,
                                        struct dash_flow_reading_t *reading,
                                        size_t budget,
                                        struct dash_flow_t *flows,
                                        size_t count,
                                        size_t *found);

// The name of a stage, of the DASH table behind it where there is one. Static storage; never NULL;
// any number may be asked for.
//
// Threads: any, at any time.
const char *dash_stage_name(uint8_t stage);

// Says what would become of `frame`, a frame as for `dash_core_process`: what each stage decides
// into `stages`, in order, and the outcome into `*explanation`. No flow, counter, queue or policy
// changes, and no callback but `now` is called. Of frames that hardware forwarded it knows what the
// last tick was told.
//
// The frame stays the caller's. It is changed as it would be sent, so that headers can be compared;
// a frame that would be dropped is as it was.
//
// Threads: that of the core.
// Errors: those of `dash_core_process`; `DASH_TOO_SMALL` when there are more stages than `count`,
// which are then the first ones (`DASH_STAGES` are enough); `DASH_AGAIN` while frames wait for
// their port.
enum dash_status_t dash_core_explain(struct dash_core_t *core,
                                     struct dash_frame_t *frame,
                                     struct dash_stage_t *stages,
                                     size_t count,
                                     struct dash_explanation_t *explanation);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* DASH_H */

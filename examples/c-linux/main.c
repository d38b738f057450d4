// Runs a capture through the library, frame by frame, each at its own time:
//
//     vnet IN.pcap OUT PORT [FRAME]
//
// The frames come in at PORT. What leaves by port N goes to OUT/N.pcap, counters, flows and
// those that ended to standard output, and what each stage says of frame number FRAME, counted from 1. The
// configuration is that of vnet.c.
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dash.h"
#include "pcap.h"
#include "vnet.h"

#define PORTS 4
#define FLOWS 65536
#define HEADROOM 128

typedef struct {
    const char *folder;
    FILE *captures[PORTS];
    uint64_t now; // time of the frame that is processed, ns
    unsigned sent, dropped;
} run;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "vnet: %s: %s\n", what, why);
    exit(1);
}

static void check(const char *what, dash_status_t status)
{
    if (status != DASH_OK)
        fail(what, dash_status_text(status));
}

// The library asks for no more than multiples of its alignment.
static dash_region_t allocate(dash_layout_t layout)
{
    if (layout.bytes == 0)
        return (dash_region_t){0};
    size_t bytes = (layout.bytes + layout.alignment - 1) / layout.alignment * layout.alignment;
    void *memory = aligned_alloc(layout.alignment, bytes);
    if (!memory)
        fail("memory", "there is none");
    memset(memory, 0, bytes);
    return (dash_region_t){.memory = memory, .bytes = layout.bytes};
}

static void open_capture(run *run, unsigned port)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s/%u.pcap", run->folder, port) >= (int)sizeof path)
        fail(run->folder, "the name is too long");
    run->captures[port] = pcap_create(path);
    if (!run->captures[port])
        fail(path, "cannot be made");
}

// The callbacks.

static uint64_t now(void *user)
{
    return ((run *)user)->now;
}

static void release(void *user, dash_frame_t *frame)
{
    ((run *)user)->dropped++;
    free(frame->memory);
    free(frame);
}

static int send(void *user, uint16_t port, dash_frame_t *frame)
{
    run *run = user;
    if (port >= PORTS)
        fail("a frame", "leaves by a port that is not there");
    if (!run->captures[port])
        open_capture(run, port);
    const uint8_t *bytes = frame->memory + frame->offset;
    if (pcap_write(run->captures[port], run->now, bytes, (uint32_t)frame->length))
        fail(run->folder, "cannot be written");
    run->sent++;
    free(frame->memory);
    free(frame);
    return 0;
}

static void print_address(dash_address_t address)
{
    for (int i = 0; address.version == DASH_IPV4 && i < 4; i++)
        printf(i ? ".%u" : "%u", address.octets[i]);
    for (int i = 0; address.version == DASH_IPV6 && i < 16; i += 2)
        printf(i ? ":%x" : "%x", address.octets[i] << 8 | address.octets[i + 1]);
}

static void print_key(const dash_flow_key_t *key)
{
    printf("%s, ", key->direction == DASH_OUTBOUND ? "outbound" : "inbound");
    print_address(key->source);
    printf(" -> ");
    print_address(key->destination);
    printf(", protocol %u, ports %u -> %u", key->protocol, key->source_port,
           key->destination_port);
}

// A firmware would copy the flow into a queue, and answer 1 when that is full.
static int flow_removed(void *user, const dash_removed_flow_t *flow)
{
    static const char *const reasons[] = {
        [DASH_REMOVED_IDLE] = "idle",         [DASH_REMOVED_HARD] = "too old",
        [DASH_REMOVED_DENIED] = "denied",     [DASH_REMOVED_ORPHANED] = "without ENI",
        [DASH_REMOVED_SUPERSEDED] = "replaced", [DASH_REMOVED_DELETED] = "deleted",
        [DASH_REMOVED_CLOSED] = "closed",     [DASH_REMOVED_EVICTED] = "evicted",
    };
    bool known = flow->reason < sizeof reasons / sizeof *reasons && reasons[flow->reason];
    (void)user;
    printf("ended: ");
    print_key(&flow->key);
    printf(", frames %llu, bytes %llu, after %llu ms: %s\n", (unsigned long long)flow->packets,
           (unsigned long long)flow->bytes,
           (unsigned long long)(flow->removed - flow->created) / 1000000,
           known ? reasons[flow->reason] : "?");
    return 0;
}

// A frame in memory of just its size, so that a sanitizer sees every byte too far.
static dash_frame_t *make_frame(const pcap_record *record, const uint8_t *bytes, uint16_t port)
{
    dash_frame_t *frame = calloc(1, sizeof *frame);
    uint8_t *memory = malloc(HEADROOM + record->length);
    if (!frame || !memory)
        fail("memory", "there is none");
    memcpy(memory + HEADROOM, bytes, record->length);
#ifdef PLANTED_OVERFLOW
    memory[HEADROOM + record->length] = 0;
#endif
    *frame = (dash_frame_t){
        .memory = memory,
        .capacity = HEADROOM + record->length,
        .offset = HEADROOM,
        .length = record->length,
        .port = port,
        .flags = record->truncated ? DASH_FRAME_TRUNCATED : 0,
    };
    return frame;
}

static void configure(dash_policy_t *policy)
{
    dash_layout_t layout;
    check("configuration", dash_scratch_size(vnet_changes, vnet_change_count, &layout));
    dash_region_t scratch = allocate(layout);
    size_t failed = 0;
    dash_status_t status =
        dash_policy_apply(policy, vnet_changes, vnet_change_count, scratch, &failed);
    if (status != DASH_OK)
        fprintf(stderr, "vnet: change %zu is refused\n", failed);
    check("configuration", status);
    free(scratch.memory);
}

static void print_stage(const dash_stage_t *stage)
{
    printf("  %s: ", dash_stage_name(stage->stage));
    switch (stage->stage) {
    case DASH_STAGE_ACL:
        if (stage->detail.acl.answer == DASH_ACL_RULE)
            printf("stage %u, priority %u, %s", stage->detail.acl.stage,
                   stage->detail.acl.priority, stage->detail.acl.permit ? "permit" : "deny");
        else
            printf("stage %u, answer %u", stage->detail.acl.stage, stage->detail.acl.answer);
        break;
    case DASH_STAGE_ROUTE:
        print_address(stage->detail.route.destination);
        printf(stage->found ? ", prefix of %u bits" : ", none",
               stage->detail.route.route.prefix.length);
        break;
    case DASH_STAGE_COMPILED:
        printf("to ");
        print_address(stage->detail.compiled.rewrite.outer_destination);
        printf(", VNI %u", stage->detail.compiled.rewrite.outer_vni);
        break;
    case DASH_STAGE_FLOW:
        printf("step %u", stage->detail.flow.step);
        break;
    default:
        printf(stage->found ? "hit" : "-");
    }
    printf("\n");
}

static void explain(dash_core_t *core, dash_frame_t *frame)
{
    static dash_stage_t stages[DASH_STAGES];
    dash_explanation_t explanation;
    check("explain", dash_core_explain(core, frame, stages, DASH_STAGES, &explanation));
    for (size_t i = 0; i < explanation.stages; i++)
        print_stage(&stages[i]);
    char name[DASH_NAME_BYTES];
    check("name", dash_drop_name(explanation.reason, name, sizeof name));
    if (explanation.end == DASH_SENT)
        printf("  leaves by port %u, %zu bytes\n", explanation.port, frame->length);
    else
        printf("  dropped: %s\n", name);
}

static void print_counters(dash_core_t *core)
{
    uint64_t drops[DASH_DROP_REASONS];
    dash_eni_counters_t eni;
    check("drops", dash_core_drops(core, drops, DASH_DROP_REASONS));
    check("ENI", dash_core_eni_counters(core, VNET_ENI, &eni, NULL, 0));
    printf("ENI: in %llu, out %llu\n", (unsigned long long)eni.rx.packets,
           (unsigned long long)eni.tx.packets);
    for (uint32_t reason = 0; reason < DASH_DROP_REASONS; reason++) {
        char name[DASH_NAME_BYTES];
        check("name", dash_drop_name(reason, name, sizeof name));
        if (drops[reason])
            printf("drop: %s %llu\n", name, (unsigned long long)drops[reason]);
    }
}

static void print_flows(dash_core_t *core)
{
    dash_flow_t flows[8];
    size_t cursor = 0, found;
    do {
        check("flows", dash_core_flows(core, &cursor, flows, 8, &found));
        for (size_t i = 0; i < found; i++) {
            printf("flow: ");
            print_key(&flows[i].key);
            printf(", frames %llu\n", (unsigned long long)flows[i].packets);
        }
    } while (found == 8);
}

int main(int count, char **arguments)
{
    if (count != 4 && count != 5) {
        fprintf(stderr, "usage: vnet IN.pcap OUT PORT [FRAME]\n");
        return 2;
    }
    unsigned long wanted = count == 5 ? strtoul(arguments[4], NULL, 10) : 0;
    run run = {.folder = arguments[2]};
    unsigned long port = strtoul(arguments[3], NULL, 10);
    pcap_reader reader;
    if (port >= PORTS)
        fail(arguments[3], "no such port");
    if (pcap_open(&reader, arguments[1]))
        fail(arguments[1], "is no capture of Ethernet frames");
    open_capture(&run, (unsigned)port);

    dash_sizes_t sizes;
    check("sizes", dash_sizes(&vnet_capacity, FLOWS, &sizes));

    // A program that listens to a network takes its seeds from getrandom().
    dash_policy_config_t policy_config = {
        .abi_version = DASH_ABI_VERSION,
        .struct_size = sizeof policy_config,
        .capacity = &vnet_capacity,
        .seed = {1, 2},
        .policy = allocate(sizes.policy),
        .policy_words = allocate(sizes.policy_words),
    };
    dash_policy_t *policy;
    check("policy", dash_policy_create(&policy_config, &policy));
    configure(policy);

    static const uint16_t mtu[PORTS] = {9100, 9100, 9100, 9100};
    dash_core_config_t core_config = {
        .abi_version = DASH_ABI_VERSION,
        .struct_size = sizeof core_config,
        .policy = policy,
        .flows = FLOWS,
        .seed = {3, 4},
        .idle_timeout = 30000,
        .fragment_timeout = 500,
        .mtu = mtu,
        .mtu_count = PORTS,
        .callbacks = {.user = &run,
                      .now = now,
                      .send = send,
                      .release = release,
                      .flow_removed = flow_removed},
        .core = allocate(sizes.core),
        .flow_buckets = allocate(sizes.flow_buckets),
        .flow_slots = allocate(sizes.flow_slots),
        .next_hops = allocate(sizes.next_hops),
        .eni_counters = allocate(sizes.eni_counters),
    };
    dash_core_t *core;
    check("core", dash_core_create(&core_config, &core));

    static uint8_t bytes[PCAP_LONGEST];
    pcap_record record;
    unsigned received = 0;
    int more;
    while ((more = pcap_next(&reader, &record, bytes)) > 0) {
        dash_frame_t *frame = make_frame(&record, bytes, (uint16_t)port);
        size_t taken;
        run.now = record.time;
        received++;
        if (received == wanted) {
            dash_frame_t *copy = make_frame(&record, bytes, (uint16_t)port);
            printf("frame %u:\n", received);
            explain(core, copy);
            free(copy->memory);
            free(copy);
        }
        check("frame", dash_core_process(core, &frame, 1, &taken));
        check("tick", dash_core_tick(core, 4));
    }
    if (more < 0)
        fail(arguments[1], "is damaged");
    printf("in %u, out %u, dropped %u\n", received, run.sent, run.dropped);
    print_counters(core);
    print_flows(core);

    check("core", dash_core_destroy(core));
    check("policy", dash_policy_destroy(policy));
    fclose(reader.file);
    for (unsigned i = 0; i < PORTS; i++)
        if (run.captures[i] && fclose(run.captures[i]))
            fail(run.folder, "cannot be written");
    void *regions[] = {
        policy_config.policy.memory,     policy_config.policy_words.memory,
        core_config.core.memory,         core_config.flow_buckets.memory,
        core_config.flow_slots.memory,   core_config.next_hops.memory,
        core_config.eni_counters.memory,
    };
    for (size_t i = 0; i < sizeof regions / sizeof *regions; i++)
        free(regions[i]);
    return 0;
}

// A firmware in C over the library: two network ports, no operating system, no libc, no heap.
//
// In front of each frame, both ways, stand 8 bytes: its time, ns, little-endian, which is the clock
// of the library. So a run gives the same bytes wherever it takes place. A frame of the time
// 2^64 - 1 ends the machine, which prints its counters first.
#include "dash.h"
#include "machine.h"
#include "virtio_net.h"
#include "vnet.h"

#define PORTS 2
#define FIRST_MAC 0x10 // ports are found by the end of their MAC address
#define FLOWS 4096
#define BUFFERS 256
#define BUFFER_BYTES 2048
// In front of a received frame: room for an encapsulation, the device's header, the time.
#define HEADROOM 256
#define TIME 8
#define END UINT64_MAX

typedef struct {
    dash_frame_t frame;
    uint64_t time;
    uint8_t memory[BUFFER_BYTES];
} __attribute__((aligned(64))) buffer;

static virtio_net ports[PORTS];
static buffer buffers[BUFFERS];
static buffer *idle[BUFFERS];
static unsigned idle_count, offered;
static uint64_t now_ns;
static uint64_t received, sent, dropped;

// What the library asks for: 2 MiB are enough for the numbers above.
static uint8_t memory[2 << 20] __attribute__((aligned(64)));
static size_t memory_used;

static void print_number(uint64_t number)
{
    char digits[21], *digit = digits + sizeof digits - 1;
    *digit = 0;
    do {
        *--digit = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    print(digit);
}

// The stack, which grows down to `stack_bottom`.
extern uint64_t stack_bottom[], stack_top[];

#define UNUSED 0x5a5a5a5a5a5a5a5a

// Marks the stack below this function as unused.
static __attribute__((noinline)) void mark_stack(void)
{
    volatile uint64_t *here = __builtin_frame_address(0);
    // Its own variables lie below the frame's address.
    for (volatile uint64_t *word = stack_bottom; word + 32 < here; word++)
        *word = UNUSED;
}

// Bytes of the stack that were used since.
static uint64_t used_stack(void)
{
    const uint64_t *word = stack_bottom;
    while (word < stack_top && *word == UNUSED)
        word++;
    return (uint64_t)(stack_top - word) * sizeof *word;
}

static void print_counter(const char *name, uint64_t count)
{
    print(name);
    print(" ");
    print_number(count);
    print("\n");
}

static _Noreturn void fail(const char *what, const char *why)
{
    print(what);
    print(": ");
    print(why);
    print("\n");
    machine_exit(1);
}

_Noreturn void trapped(uint64_t cause, uint64_t address)
{
    print_counter("exception", cause);
    print_counter("at", address);
    machine_exit(2);
}

static void check(const char *what, dash_status_t status)
{
    if (status != DASH_OK)
        fail(what, dash_status_text(status));
}

static dash_region_t allocate(dash_layout_t layout)
{
    size_t start = (memory_used + layout.alignment - 1) / layout.alignment * layout.alignment;
    if (start > sizeof memory || sizeof memory - start < layout.bytes)
        fail("memory", "there is too little");
    memory_used = start + layout.bytes;
    return (dash_region_t){.memory = memory + start, .bytes = layout.bytes};
}

// The clock of the data ports is little-endian, as both machines are.
static uint64_t read_time(const uint8_t *bytes)
{
    uint64_t time;
    __builtin_memcpy(&time, bytes, TIME);
    return time;
}

// Gives idle buffers to the ports to receive into.
static void offer_buffers(void)
{
    for (unsigned port = 0; port < PORTS; port++)
        while (idle_count > 0) {
            buffer *buffer = idle[idle_count - 1];
            uint8_t *start = buffer->memory + HEADROOM - VIRTIO_HEADER;
            size_t length = BUFFER_BYTES - (HEADROOM - VIRTIO_HEADER);
            if (virtio_net_offer(&ports[port], &ports[port].receive, start, length, buffer))
                break;
            idle_count--;
            offered++;
        }
}

// Takes back what was sent.
static void reclaim(virtio_net *port)
{
    size_t length;
    buffer *buffer;
    while ((buffer = virtio_net_done(&port->transmit, &length)))
        idle[idle_count++] = buffer;
}

// The callbacks.

static uint64_t now(void *user)
{
    (void)user;
    return now_ns;
}

static void release(void *user, dash_frame_t *frame)
{
    (void)user;
    dropped++;
    idle[idle_count++] = frame->cookie;
}

static int send(void *user, uint16_t port, dash_frame_t *frame)
{
    if (port >= PORTS || frame->offset < VIRTIO_HEADER + TIME) {
        release(user, frame);
        return 0;
    }
    // Its own time: it may have waited for the ring while later ones were processed.
    const buffer *buffer = frame->cookie;
    uint8_t *start = frame->memory + frame->offset - TIME - VIRTIO_HEADER;
    size_t length = VIRTIO_HEADER + TIME + frame->length;
    __builtin_memset(start, 0, VIRTIO_HEADER);
    __builtin_memcpy(start + VIRTIO_HEADER, &buffer->time, TIME);
    reclaim(&ports[port]);
    if (virtio_net_offer(&ports[port], &ports[port].transmit, start, length, frame->cookie))
        return 1;
    sent++;
    return 0;
}

// Processes frames of one time; waits for rings that are full.
static void process(dash_core_t *core, dash_frame_t **frames, size_t count)
{
    size_t done = 0;
    do {
        size_t taken;
        dash_status_t status = dash_core_process(core, frames + done, count - done, &taken);
        done += taken;
        if (status != DASH_AGAIN)
            check("frame", status);
    } while (done < count);
    check("tick", dash_core_tick(core, 4 * count));
}

// Receives at most a burst from a port; 0 when its end came.
static int poll(dash_core_t *core, virtio_net *port, uint16_t number)
{
    dash_frame_t *burst[DASH_BURST];
    size_t count = 0, length;
    int more = 1;
    buffer *buffer;
    while (more && count < DASH_BURST && (buffer = virtio_net_done(&port->receive, &length))) {
        offered--;
        uint64_t time = read_time(buffer->memory + HEADROOM);
        if (length < VIRTIO_HEADER + TIME || time == END) {
            more = time != END;
            idle[idle_count++] = buffer;
            continue;
        }
        // A burst has one time.
        if (count > 0 && time != now_ns) {
            process(core, burst, count);
            count = 0;
        }
        now_ns = time;
        received++;
        buffer->time = time;
        buffer->frame = (dash_frame_t){
            .memory = buffer->memory,
            .capacity = BUFFER_BYTES,
            .offset = HEADROOM + TIME,
            .length = length - VIRTIO_HEADER - TIME,
            .cookie = buffer,
            .port = number,
        };
        burst[count++] = &buffer->frame;
    }
    process(core, burst, count);
    return more;
}

// Waits until nothing is on its way any more.
static void drain(dash_core_t *core)
{
    while (idle_count + offered < BUFFERS) {
        process(core, NULL, 0);
        for (unsigned port = 0; port < PORTS; port++)
            reclaim(&ports[port]);
    }
}

static void print_counters(dash_core_t *core)
{
    static uint64_t drops[DASH_DROP_REASONS];
    dash_flow_counters_t flows;
    check("drops", dash_core_drops(core, drops, DASH_DROP_REASONS));
    check("flows", dash_core_flow_counters(core, &flows));
    print_counter("in", received);
    print_counter("out", sent);
    print_counter("dropped", dropped);
    print_counter("flows", flows.present);
    for (uint32_t reason = 0; reason < DASH_DROP_REASONS; reason++)
        if (drops[reason]) {
            char name[DASH_NAME_BYTES];
            check("name", dash_drop_name(reason, name, sizeof name));
            print_counter(name, drops[reason]);
        }
}

int main(void);

int main(void)
{
    mark_stack();
    dash_sizes_t sizes;
    check("sizes", dash_sizes(&vnet_capacity, FLOWS, &sizes));

    // A product takes its seeds from a source that traffic cannot predict.
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

    dash_layout_t scratch;
    check("scratch", dash_scratch_size(vnet_changes, vnet_change_count, &scratch));
    check("configuration", dash_policy_apply(policy, vnet_changes, vnet_change_count,
                                             allocate(scratch), NULL));

    static const uint16_t mtu[PORTS] = {1500, 1500};
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
        .callbacks = {.now = now, .send = send, .release = release},
        .core = allocate(sizes.core),
        .flow_buckets = allocate(sizes.flow_buckets),
        .flow_slots = allocate(sizes.flow_slots),
        .next_hops = allocate(sizes.next_hops),
        .eni_counters = allocate(sizes.eni_counters),
    };
    dash_core_t *core;
    check("core", dash_core_create(&core_config, &core));

    uint64_t stack_to_create = used_stack();
    mark_stack();

    for (unsigned i = 0; i < BUFFERS; i++)
        idle[idle_count++] = &buffers[i];
    for (unsigned port = 0; port < PORTS; port++)
        if (virtio_net_start(&ports[port], (uint8_t)(FIRST_MAC + port)))
            fail("virtio", "a port is missing");
    offer_buffers();
    print("ready\n");

    for (unsigned ended = 0; !ended;)
        for (uint16_t port = 0; port < PORTS; port++) {
            if (!poll(core, &ports[port], port))
                ended = 1;
            for (unsigned i = 0; i < PORTS; i++)
                reclaim(&ports[i]);
            offer_buffers();
        }
    drain(core);
    uint64_t stack_to_run = used_stack();
    print_counters(core);
    print_counter("stack_to_create", stack_to_create);
    print_counter("stack_to_run", stack_to_run);
    check("core", dash_core_destroy(core));
    check("policy", dash_policy_destroy(policy));
    machine_exit(0);
}

#include "virtio_net.h"

#include "machine.h"

// Registers, in words.
enum {
    MAGIC = 0x000 / 4,
    VERSION = 0x004 / 4,
    DEVICE = 0x008 / 4,
    DEVICE_FEATURES = 0x010 / 4,
    DEVICE_FEATURES_SELECT = 0x014 / 4,
    DRIVER_FEATURES = 0x020 / 4,
    DRIVER_FEATURES_SELECT = 0x024 / 4,
    QUEUE_SELECT = 0x030 / 4,
    QUEUE_LONGEST = 0x034 / 4,
    QUEUE_LENGTH = 0x038 / 4,
    QUEUE_READY = 0x044 / 4,
    QUEUE_NOTIFY = 0x050 / 4,
    STATUS = 0x070 / 4,
    QUEUE_DESCRIPTORS = 0x080 / 4,
    QUEUE_AVAILABLE = 0x090 / 4,
    QUEUE_USED = 0x0a0 / 4,
    CONFIGURATION = 0x100,
};

enum { ACKNOWLEDGE = 1, DRIVER = 2, DRIVER_OK = 4, FEATURES_OK = 8 };
enum { RECEIVE = 0, TRANSMIT = 1 };

// Features: the first 32, of which the MAC address; the next 32, of which version 1.
#define FEATURE_MAC (1u << 5)
#define FEATURE_VERSION_1 (1u << 0)

#define DEVICE_WRITES 2u
#define NO_INTERRUPT 1u

static void set_address(volatile uint32_t *place, const volatile void *address)
{
    uint64_t bits = (uintptr_t)address;
    place[0] = (uint32_t)bits;
    place[1] = (uint32_t)(bits >> 32);
}

static int start_queue(virtio_net *net, uint32_t number, virtio_queue *queue)
{
    volatile uint32_t *registers = net->registers;
    registers[QUEUE_SELECT] = number;
    if (registers[QUEUE_READY] || registers[QUEUE_LONGEST] < VIRTIO_QUEUE)
        return -1;
    for (uint16_t i = 0; i < VIRTIO_QUEUE; i++)
        queue->free[i] = i;
    queue->free_count = VIRTIO_QUEUE;
    queue->available.flags = NO_INTERRUPT;
    registers[QUEUE_LENGTH] = VIRTIO_QUEUE;
    set_address(&registers[QUEUE_DESCRIPTORS], queue->descriptors);
    set_address(&registers[QUEUE_AVAILABLE], &queue->available);
    set_address(&registers[QUEUE_USED], &queue->used);
    registers[QUEUE_READY] = 1;
    return 0;
}

static int start(virtio_net *net)
{
    volatile uint32_t *registers = net->registers;
    registers[STATUS] = 0;
    registers[STATUS] = ACKNOWLEDGE;
    registers[STATUS] = ACKNOWLEDGE | DRIVER;
    registers[DEVICE_FEATURES_SELECT] = 1;
    if (!(registers[DEVICE_FEATURES] & FEATURE_VERSION_1))
        return -1;
    registers[DRIVER_FEATURES_SELECT] = 0;
    registers[DRIVER_FEATURES] = FEATURE_MAC;
    registers[DRIVER_FEATURES_SELECT] = 1;
    registers[DRIVER_FEATURES] = FEATURE_VERSION_1;
    registers[STATUS] = ACKNOWLEDGE | DRIVER | FEATURES_OK;
    if (!(registers[STATUS] & FEATURES_OK))
        return -1;
    if (start_queue(net, RECEIVE, &net->receive) || start_queue(net, TRANSMIT, &net->transmit))
        return -1;
    registers[STATUS] = ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK;
    return 0;
}

int virtio_net_start(virtio_net *net, uint8_t last)
{
    for (uint32_t slot = 0; slot < VIRTIO_SLOTS; slot++) {
        uintptr_t base = VIRTIO_BASE + slot * VIRTIO_STRIDE;
        volatile uint32_t *registers = (volatile uint32_t *)base;
        volatile uint8_t *mac = (volatile uint8_t *)(base + CONFIGURATION);
        // "virt", version 2, a network device.
        if (registers[MAGIC] == 0x74726976 && registers[VERSION] == 2 && registers[DEVICE] == 1 &&
            mac[5] == last) {
            net->registers = registers;
            return start(net);
        }
    }
    return -1;
}

int virtio_net_offer(virtio_net *net, virtio_queue *queue, void *bytes, size_t length, void *token)
{
    if (queue->free_count == 0)
        return -1;
    uint16_t id = queue->free[--queue->free_count];
    int receive = queue == &net->receive;
    queue->tokens[id] = token;
    queue->descriptors[id].address = (uintptr_t)bytes;
    queue->descriptors[id].length = (uint32_t)length;
    queue->descriptors[id].flags = receive ? DEVICE_WRITES : 0;
    queue->available.ring[queue->available.index % VIRTIO_QUEUE] = id;
    // The entry before the index that shows it, and the index before the notice.
    uint16_t next = (uint16_t)(queue->available.index + 1);
    __atomic_store_n(&queue->available.index, next, __ATOMIC_RELEASE);
    machine_barrier();
    net->registers[QUEUE_NOTIFY] = receive ? RECEIVE : TRANSMIT;
    return 0;
}

void *virtio_net_done(virtio_queue *queue, size_t *length)
{
    // The index before the entry that it shows.
    if (__atomic_load_n(&queue->used.index, __ATOMIC_ACQUIRE) == queue->seen)
        return NULL;
    uint16_t place = queue->seen++ % VIRTIO_QUEUE;
    uint16_t id = (uint16_t)queue->used.ring[place].id;
    if (id >= VIRTIO_QUEUE)
        return NULL;
    *length = queue->used.ring[place].length;
    queue->free[queue->free_count++] = id;
    return queue->tokens[id];
}

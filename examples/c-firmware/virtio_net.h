// A network port over virtio-mmio (Virtual I/O Device, version 1.1: 2.6 split queues, 4.2 MMIO,
// 5.1 network device), polled, without any offload.
#ifndef VIRTIO_NET_H
#define VIRTIO_NET_H

#include <stddef.h>
#include <stdint.h>

// Descriptors of each queue.
#define VIRTIO_QUEUE 64

// What the device has in front of each frame, both ways.
#define VIRTIO_HEADER 12

typedef struct {
    struct {
        uint64_t address;
        uint32_t length;
        uint16_t flags, next;
    } descriptors[VIRTIO_QUEUE];
    struct {
        uint16_t flags, index, ring[VIRTIO_QUEUE];
    } available;
    struct {
        uint16_t flags, index;
        struct {
            uint32_t id, length;
        } ring[VIRTIO_QUEUE];
    } used __attribute__((aligned(4)));

    // The driver's own: what belongs to a descriptor, free descriptors, how much was seen.
    void *tokens[VIRTIO_QUEUE];
    uint16_t free[VIRTIO_QUEUE], free_count, seen;
} __attribute__((aligned(16))) virtio_queue;

typedef struct {
    volatile uint32_t *registers;
    virtio_queue receive, transmit;
} virtio_net;

// Looks for the port whose MAC address ends with `last`, and starts it. 0, or -1: not there, or
// not willing.
int virtio_net_start(virtio_net *net, uint8_t last);

// Gives the device a buffer: to fill, or to send. 0, or -1 when the queue is full. The device has
// it until `virtio_net_done` answers `token`.
int virtio_net_offer(virtio_net *net, virtio_queue *queue, void *bytes, size_t length, void *token);

// A buffer that the device is done with, and the bytes that it wrote; NULL: none, or a device that
// answers what it was not asked.
void *virtio_net_done(virtio_queue *queue, size_t *length);

#endif

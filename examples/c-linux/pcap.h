// Classic captures of Ethernet frames: reads micro- and nanoseconds of either byte order, writes
// nanoseconds.
#ifndef PCAP_H
#define PCAP_H

#include <stdint.h>
#include <stdio.h>

// Longest frame that is read or written.
#define PCAP_LONGEST 65535

typedef struct {
    FILE *file;
    int swapped;
    uint32_t unit; // nanoseconds in the smaller part of a time
} pcap_reader;

typedef struct {
    uint64_t time; // ns
    uint32_t length;
    int truncated; // the frame on the wire was longer
} pcap_record;

// 0, or -1 when it is not a capture of Ethernet frames.
int pcap_open(pcap_reader *reader, const char *path);

// 1 and a frame in `bytes` (PCAP_LONGEST places), 0 at the end, -1 when the file is damaged.
int pcap_next(pcap_reader *reader, pcap_record *record, uint8_t *bytes);

// NULL when the file cannot be made.
FILE *pcap_create(const char *path);

// 0, or -1 when it cannot be written.
int pcap_write(FILE *file, uint64_t time, const uint8_t *bytes, uint32_t length);

#endif

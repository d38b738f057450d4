#include "pcap.h"

#define NANOSECONDS 1000000000u
#define ETHERNET 1

static uint32_t swap(uint32_t n)
{
    return n >> 24 | (n >> 8 & 0xff00) | (n << 8 & 0xff0000) | n << 24;
}

static int read_words(const pcap_reader *reader, uint32_t *words, size_t count)
{
    if (fread(words, sizeof *words, count, reader->file) != count)
        return -1;
    for (size_t i = 0; reader->swapped && i < count; i++)
        words[i] = swap(words[i]);
    return 0;
}

int pcap_open(pcap_reader *reader, const char *path)
{
    *reader = (pcap_reader){.file = fopen(path, "rb")};
    if (!reader->file)
        return -1;
    // Magic, version, zone, accuracy, snapshot length, link type.
    uint32_t magic, rest[5];
    if (read_words(reader, &magic, 1))
        return -1;
    reader->swapped = magic == 0xd4c3b2a1 || magic == 0x4d3cb2a1;
    if (reader->swapped)
        magic = swap(magic);
    if (magic != 0xa1b2c3d4 && magic != 0xa1b23c4d)
        return -1;
    reader->unit = magic == 0xa1b23c4d ? 1 : 1000;
    return read_words(reader, rest, 5) || rest[4] != ETHERNET ? -1 : 0;
}

int pcap_next(pcap_reader *reader, pcap_record *record, uint8_t *bytes)
{
    // Seconds, parts, bytes here, bytes on the wire.
    uint32_t header[4];
    int first = fgetc(reader->file);
    if (first == EOF)
        return ferror(reader->file) ? -1 : 0;
    ungetc(first, reader->file);
    if (read_words(reader, header, 4) || header[2] > PCAP_LONGEST)
        return -1;
    if (fread(bytes, 1, header[2], reader->file) != header[2])
        return -1;
    record->time = (uint64_t)header[0] * NANOSECONDS + (uint64_t)header[1] * reader->unit;
    record->length = header[2];
    record->truncated = header[3] > header[2];
    return 1;
}

FILE *pcap_create(const char *path)
{
    const uint32_t header[] = {0xa1b23c4d, 2 | 4 << 16, 0, 0, PCAP_LONGEST, ETHERNET};
    FILE *file = fopen(path, "wb");
    if (file && fwrite(header, sizeof header, 1, file) != 1) {
        fclose(file);
        return NULL;
    }
    return file;
}

int pcap_write(FILE *file, uint64_t time, const uint8_t *bytes, uint32_t length)
{
    const uint32_t header[] = {(uint32_t)(time / NANOSECONDS), (uint32_t)(time % NANOSECONDS),
                               length, length};
    if (fwrite(header, sizeof header, 1, file) != 1)
        return -1;
    return fwrite(bytes, 1, length, file) == length ? 0 : -1;
}

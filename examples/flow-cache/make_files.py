"""Writes the configuration and the captures of this folder: the demonstration of use case 4 of
FlowBlaze.p4, with three tenants. The first tenant's frames are FC1, FC3 and FC4 of
`../shared/spec/vectors/other-services.txt`."""
import json
import struct

TENANTS = [(10, 100, "192.168.0.1"), (20, 200, "192.168.0.2"), (30, 300, "192.168.0.3")]
SERVER, ROUTER, VTEP = "1.1.1.1", "10.0.0.1", "10.10.10.10"


def checksum(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def address(text):
    return bytes(int(octet) for octet in text.split("."))


def udp(source, destination, ports, payload, summed=True):
    length = 8 + len(payload)
    ends = address(source) + address(destination)
    header = struct.pack("!HHHH", *ports, length, 0)
    total = checksum(ends + struct.pack("!HH", 17, length) + header + payload) if summed else 0
    datagram = struct.pack("!HHHH", *ports, length, total) + payload
    parts = (0x45, 0, 20 + length, 1, 0, 64, 17)
    header = struct.pack("!BBHHHBBH", *parts, 0) + ends
    return struct.pack("!BBHHHBBH", *parts, checksum(header)) + ends + datagram


def ethernet(destination, source, packet, vlan=None):
    tag = b"" if vlan is None else struct.pack("!HH", 0x8100, vlan)
    return bytes([destination]) * 6 + bytes([source]) * 6 + tag + b"\x08\x00" + packet


def vxlan(ends, macs, vni, reserved, frame):
    header = struct.pack("!II", 0x08000000, vni << 8 | reserved)
    return ethernet(*macs, udp(*ends, (4789, 4789), header + frame, summed=False))


def frames(vlan, vni, tenant):
    to_server = udp(tenant, SERVER, (12345, 1000), b"X" * 36)
    answer = udp(SERVER, tenant, (1000, 12345), b"X" * 36)
    dc = vxlan((ROUTER, VTEP), (0xF1, 0xDC), vni, 0, ethernet(0xE1, 0xA1, to_server))
    server = ethernet(0xA1, 0xE1, answer, vlan)
    otr = vxlan((VTEP, ROUTER), (0xDC, 0x01), vni, vlan, ethernet(0xA1, 0xE1, answer))
    return dc, server, otr


def capture(path, records):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for time, frame in sorted(records):
            seconds, nanoseconds = divmod(time, 10**9)
            file.write(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)


MS = 10**6
records = {"dc": [], "server": [], "otr": []}
for number, tenant in enumerate(TENANTS):
    dc, server, otr = frames(*tenant)
    first, second = (1000 + 10 * number) * MS, (2000 + 10 * number) * MS
    records["dc"] += [(first, dc), (second, dc)]
    # The server answers each frame, the tunnel router only what it is sent.
    records["server"] += [(first + MS, server), (second + MS, server)]
    records["otr"].append((first + 2 * MS, otr))
for name, frames_of_port in records.items():
    capture(f"{name}.pcap", frames_of_port)
with open("flow-cache.json", "w") as file:
    json.dump({"flow_cache": {
        "ports": [{"name": "DC", "role": "dc"}, {"name": "OTR", "role": "otr"},
                  {"name": "SRV", "role": "server"}],
        "vteps": [{"dst": VTEP, "vni": vni, "vlan": vlan, "port": "SRV"} for vlan, vni, _ in TENANTS],
        "outer": {"src_mac": "be:ef:be:ef:be:ef", "dst_mac": "de:ad:de:ad:de:ad",
                  "id": 5395, "ttl": 64, "tos": 0},
        "max_entries": 4096, "idle_ms": 30000, "full": "reject", "ordered": True, "guard_ms": 100,
        "force_after_ms": 1000, "relearn": False, "scrub_reserved": False, "mtu": 1500}},
        file, indent=2)
    file.write("\n")
with open("idle.jsonl", "w") as file:
    file.write('{"at_ns": 2500000000, "stats": {}}\n')
    file.write('{"at_ns": 40000000000, "stats": {}}\n')

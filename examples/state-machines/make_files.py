"""Writes the programs and captures of this folder: the example programs of FlowBlaze."""
import json
import struct


def udp(host, port):
    datagram = struct.pack("!HHHH", 40000, port, 8, 0)
    return ipv4(host, 17, datagram)


def tcp(host, port, source=40000):
    return ipv4(host, 6, struct.pack("!HHIIBBHHH", source, port, 0, 0, 0x50, 2, 1024, 0, 0))


def ipv4(host, protocol, payload):
    header = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0)
    header += bytes([10, 0, 0, host, 10, 0, 1, 1])
    total = sum(struct.unpack("!10H", header))
    total = (total & 0xFFFF) + (total >> 16)
    header = header[:10] + struct.pack("!H", ~total & 0xFFFF) + header[12:]
    return bytes.fromhex("020000000002020000000001") + b"\x08\x00" + header + payload


def capture(path, frames, step):
    """A frame each `step` ns, from 1 s on."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for number, frame in enumerate(frames):
            seconds, nanoseconds = divmod(10**9 + number * step, 10**9)
            file.write(struct.pack("<IIII", seconds, nanoseconds, len(frame), len(frame)) + frame)


def program(path, **efsm):
    efsm.setdefault("forward", {"A": "B", "B": "A"})
    with open(path, "w") as file:
        json.dump({"efsm": efsm}, file, indent=2)
        file.write("\n")


def update(to, left, op, right):
    return {"to": to, "left": left, "op": op, "right": right}


# Ten frames of each source pass.
program("limiter.json", key=["ipv4.src"], max_flows=4096, idle_ms=0,
        conditions=[{"left": "R0", "op": ">=", "right": 10}],
        rows=[{"state": 0, "if": {"c0": False}, "next": 0, "updates": [update("R0", "R0", "+", 1)],
               "action": "forward"},
              {"state": 0, "next": 1, "action": "drop"},
              {"state": 1, "next": 1, "action": "drop"}])
capture("limiter.pcap", [udp(1, 53)] * 12 + [udp(2, 53)], 10**6)

# One frame in 64 us, and a burst of 65,440 us: a window of time that each frame moves on.
from_now = [update("R0", "now", "-", 65440), update("R1", "now", "+", 64)]
program("policer.json", key=["ipv4.src"], max_flows=4096, idle_ms=0,
        conditions=[{"left": "now", "op": ">=", "right": "R0"},
                    {"left": "now", "op": "<=", "right": "R1"}],
        rows=[{"state": 0, "next": 1, "updates": from_now, "action": "forward"},
              {"state": 1, "if": {"c0": True, "c1": True}, "next": 1,
               "updates": [update("R0", "R0", "+", 64), update("R1", "R1", "+", 64)],
               "action": "forward"},
              {"state": 1, "if": {"c0": True, "c1": False}, "next": 1, "updates": from_now,
               "action": "forward"},
              {"state": 1, "next": 1, "action": "drop"}])
capture("policer.pcap", [udp(1, 53)] * 1025, 0)

# Port 22 passes after four others; a wrong port leaves the state.
knocks = [2570, 2827, 3084, 5555]
program("knocking.json", key=["ipv4.src"], max_flows=4096, idle_ms=0,
        rows=[{"state": state, "match": {"tcp.dst_port": port}, "next": state + 1, "action": "drop"}
              for state, port in enumerate(knocks)]
        + [{"state": 4, "match": {"tcp.dst_port": 22}, "next": 4, "action": "forward"}])
capture("knocking.pcap", [tcp(1, port) for port in [22, 2570, 80, *knocks[1:], 22]], 10**6)

# New flows go to B1, B2, B1, ..., and stay there.
program("balancer.json", key=["ipv4.src", "tcp.src_port"], max_flows=4096, idle_ms=60000,
        conditions=[{"left": "G0", "op": "==", "right": 0}],
        rows=[{"state": 0, "if": {"c0": True}, "next": 1, "updates": [update("G0", 1, "+", 0)],
               "action": {"output": "B1"}},
              {"state": 0, "next": 2, "updates": [update("G0", 0, "+", 0)],
               "action": {"output": "B2"}},
              {"state": 1, "next": 1, "action": {"output": "B1"}},
              {"state": 2, "next": 2, "action": {"output": "B2"}}],
        forward={"B1": "A", "B2": "A", "A": "B1"})
capture("balancer.pcap", [tcp(1, 80, source) for source in [1, 2, 3, 1, 2, 3]], 10**6)

#!/usr/bin/env python3
"""Boots the C firmware in QEMU and compares what leaves with what `dash run` writes.

    check.py [aarch64|riscv64 ...]

Each run feeds a capture of examples/vnet-to-vnet to one port, some many times over, and expects the
committed output of the same capture, byte for byte, and its counters. The firmware has 8 bytes of
time in front of each frame (see main.c); QEMU has 4 bytes of length in front of that.
"""
import itertools
import json
import pathlib
import socket
import struct
import subprocess
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent
EXAMPLE = HERE.parent / "vnet-to-vnet"
MACHINES = {
    "aarch64": ["qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72",
                "-semihosting-config", "enable=on,target=native"],
    "riscv64": ["qemu-system-riscv64", "-M", "virt", "-bios", "none"],
}
PORTS = 2
TIMEOUT = 60
END = struct.pack("<Q", 2**64 - 1) + bytes(60)

# Expected run, capture, port, how often.
RUNS = [
    ("published-vm", "vm.pcap", 0, 1),
    ("published-transports", "transports.pcap", 1, 1),
    ("published-vm-underlay6", "vm-underlay6.pcap", 0, 1),
    ("published-vm-overlay6", "vm-overlay6.pcap", 1, 1),
    ("published-vm-overlay6-underlay6", "vm-overlay6-underlay6.pcap", 0, 1),
    ("drops", "drops.pcap", 1, 1),
    # Rings wrap, flows are hit.
    ("published-transports", "transports.pcap", 0, 1000),
]


def read_capture(path):
    """The times, in ns, and bytes of a little-endian nanosecond capture."""
    data = path.read_bytes()
    assert data[:4] == b"\x4d\x3c\xb2\xa1", path
    records, at = [], 24
    while at < len(data):
        seconds, nanoseconds, length, _ = struct.unpack_from("<4I", data, at)
        records.append((seconds * 10**9 + nanoseconds, data[at + 16 : at + 16 + length]))
        at += 16 + length
    return records


def receive(connection, frames):
    """Reads frames until the machine ends."""
    data = b""
    while chunk := connection.recv(1 << 16):
        data += chunk
        while len(data) >= 4 and len(data) >= 4 + (length := struct.unpack_from(">I", data)[0]):
            frame, data = data[4 : 4 + length], data[4 + length :]
            frames.append((struct.unpack_from("<Q", frame)[0], frame[8:]))


def run(machine, port, records):
    """Feeds `records` to `port`; what left by each port, and the counters that were printed."""
    command = [*MACHINES[machine], "-m", "64M", "-display", "none", "-monitor", "none",
               "-serial", "stdio", "-global", "virtio-mmio.force-legacy=false",
               "-kernel", str(HERE / f"firmware-{machine}.elf")]
    connections, ends = zip(*(socket.socketpair() for _ in range(PORTS)))
    for number, end in enumerate(ends):
        command += ["-netdev", f"socket,id=n{number},fd={end.fileno()}", "-device",
                    f"virtio-net-device,netdev=n{number},mac=52:54:00:12:34:{0x10 + number:x}"]
    qemu = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True,
                            pass_fds=[end.fileno() for end in ends])
    for end in ends:
        end.close()
    guard = threading.Timer(TIMEOUT, qemu.kill)
    guard.start()
    try:
        frames = [[] for _ in connections]
        threads = [threading.Thread(target=receive, args=pair) for pair in zip(connections, frames)]
        for thread in threads:
            thread.start()
        # Before that, frames would be lost: nothing is offered to receive them into.
        for line in qemu.stdout:
            if line.strip() == "ready":
                break
        blocks = [struct.pack("<Q", time) + frame for time, frame in records] + [END]
        connections[port].sendall(b"".join(struct.pack(">I", len(b)) + b for b in blocks))
        output = qemu.stdout.read()
        code = qemu.wait()
        for thread in threads:
            thread.join()
    finally:
        guard.cancel()
        qemu.kill()
    if code != 0:
        sys.exit(f"{machine}: ended with {code}\n{output}")
    return frames, {name: int(count) for name, count in map(str.split, output.splitlines())}


def check(machine):
    for name, capture, port, times in RUNS:
        records = read_capture(EXAMPLE / capture) * times
        wanted = [[] for _ in range(PORTS)]
        wanted[port] = read_capture(EXAMPLE / "expected" / name / "0.pcap") * times
        expected = json.loads((EXAMPLE / "expected" / name / "expected.json").read_text())
        drops = {reason: count * times for reason, count in expected["drops"].items()}
        frames, counters = run(machine, port, records)
        where = f"{machine}, {name}, port {port}, {len(records)} frames"
        for number in range(PORTS):
            pairs = itertools.zip_longest(frames[number], wanted[number])
            for index, (frame, other) in enumerate(pairs):
                if frame != other:
                    sys.exit(f"{where}: frame {index} of port {number} is {frame}, not {other}")
        summary = {key: counters.pop(key) for key in
                   ("in", "out", "dropped", "flows", "stack_to_create", "stack_to_run")}
        if counters != drops:
            sys.exit(f"{where}: drops are {counters}, not {drops}")
        if summary["in"] != len(records) or summary["flows"] != 2 * expected["flow_pairs"]:
            sys.exit(f"{where}: counters are {summary}")
        print(f"{where}: {summary['out']} sent, the bytes of the host; {summary['dropped']} dropped")
    print(f"{machine}: stack {summary['stack_to_create']} bytes to create, "
          f"{summary['stack_to_run']} to run")


for machine in sys.argv[1:] or MACHINES:
    check(machine)

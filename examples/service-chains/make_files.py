"""Writes the configurations and captures of this folder. `p` is the frame from App1 to App2, `r`
its answer (those of the specification, `../shared/spec/vectors/other-services.txt`)."""
import json
import struct

P = "020000000002020000000001080045000024000700004011f6bec0000201c00002029c4013880010a3f95346432d44454d4f"
R = "020000000001020000000002080045000024000800004011f6bdc0000202c000020113889c400010a3f95346432d44454d4f"
HOSTS = [
    {"name": "H1", "ip": "198.51.100.1", "mac": "0a:00:00:00:00:11"},
    {"name": "H2", "ip": "198.51.100.2", "mac": "0a:00:00:00:00:22"},
]


def capture(path, frame, seconds):
    frame = bytes.fromhex(frame)
    header = struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1)
    record = struct.pack("<IIII", seconds, 0, len(frame), len(frame))
    with open(path, "wb") as file:
        file.write(header + record + frame)


def configuration(path, functions, remote):
    last = 2 + 2 * functions
    ports = [{"name": "VM-App1", "key": 1, "host": "H1", "macs": ["02:00:00:00:00:01"]}]
    pairs = []
    for n in range(1, functions + 1):
        ends = [f"VNF{n}-P{2 * n}", f"VNF{n}-P{2 * n + 1}"]
        ports += [{"name": end, "key": 2 * n + i, "host": "H1"} for i, end in enumerate(ends)]
        pairs.append({"name": f"PP{n}", "in": ends[0], "out": ends[1]})
    host = "H2" if remote else "H1"
    ports.append({"name": "VM-App2", "key": last, "host": host, "macs": ["02:00:00:00:00:02"]})
    groups = [{"name": f"PG{n}", "pairs": [f"PP{n}"]} for n in range(1, functions + 1)]
    switch = {
        "name": "SW0",
        "tunnel_key": 1,
        "ports": ports,
        "pairs": pairs,
        "groups": groups,
        "chains": [{"name": "PC1", "groups": [group["name"] for group in groups]}],
        "classifiers": [{"name": "PCC1", "chain": "PC1", "port": "VM-App2",
                         "path": "entry-lport", "direction": "bi-directional"}],
    }
    hosts = HOSTS if remote else HOSTS[:1]
    with open(path, "w") as file:
        json.dump({"chain": {"hosts": hosts, "switches": [switch]}}, file, indent=2)
        file.write("\n")


configuration("case1.json", 1, False)
configuration("case2.json", 1, True)
configuration("case3.json", 3, True)
capture("app1.pcap", P, 1)
capture("app2.pcap", R, 2)
with open("health.jsonl", "w") as file:
    file.write('{"at_ns": 1500000000, "pair_up": {"name": "PP1", "up": false}}\n')
    file.write('{"at_ns": 1500000000, "stats": {}}\n')

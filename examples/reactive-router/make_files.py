"""Writes the configurations and captures of this folder: two networks, a router, and a ping. The
frames are those of the specification, `../shared/spec/vectors/other-services.txt`."""
import json
import struct

FRAMES = {}
with open("../../dash-core/tests/router/vectors.txt") as file:
    for line in file:
        name, _, _, frame = line.split()
        FRAMES[name] = bytes.fromhex(frame)

MS = 1_000_000
VM1, VM2 = "fa:16:3e:00:17:e6", "fa:16:3e:cf:4b:ed"
GW1, GW2 = "fa:16:3e:c0:8d:8b", "fa:16:3e:c5:02:4d"


def capture(path, frames):
    """Frames at times in milliseconds."""
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65535, 1))
        for time, name in frames:
            frame, time = FRAMES[name], time * MS
            file.write(struct.pack("<IIII", time // 10**9, time % 10**9, len(frame), len(frame)))
            file.write(frame)


def configuration(path, hosts=("H1", "H1"), **more):
    names = sorted(set(hosts))
    router = {
        "hosts": [{"name": name, "ip": f"198.51.100.{name[1]}",
                   "mac": f"0a:00:00:00:00:{name[1] * 2}"} for name in names],
        "networks": [{"name": "net1", "id": 0x1F42, "subnets": ["10.1.0.0/24"]},
                     {"name": "net2", "id": 0x1F43, "subnets": ["10.2.0.0/24"]}],
        "ports": [{"name": "p11", "key": 11, "host": hosts[0], "network": "net1", "mac": VM1,
                   "ips": ["10.1.0.3"], "port_security": True},
                  {"name": "p12", "key": 12, "host": hosts[1], "network": "net2", "mac": VM2,
                   "ips": ["10.2.0.3"], "port_security": True}],
        "routers": [{"name": "R", "ports": [
            {"network": "net1", "ip": "10.1.0.1", "mac": GW1},
            {"network": "net2", "ip": "10.2.0.1", "mac": GW2}]}],
        "cookie_base": "0x1008000000000",
        "send_removed": True,
        **more,
    }
    with open(path, "w") as file:
        json.dump({"router": router}, file, indent=2)
        file.write("\n")


def flow(in_port, source, gateway, src, dst, target, out, cookie, **more):
    return {"flow_add": {
        "match": {"in_port": in_port, "eth_src": source, "eth_dst": gateway,
                  "ip_src": src, "ip_dst": dst},
        "actions": ["dec_ttl", {"eth_src": gateway}, {"eth_dst": target}, {"output": out}],
        "idle_ms": 300000, "hard_ms": 0, "cookie": cookie, "send_removed": True, **more}}


configuration("one-host.json")
configuration("two-hosts.json", hosts=("H1", "H2"))
configuration("remote.json", controller="remote")
# VM2 asks for its gateway and pings VM1 twice; VM1 asks for its own before it answers.
capture("vm2.pcap", [(1000, "a1"), (1001, "e1"), (1010, "e1"), (301011, "a1")])
capture("vm1.pcap", [(1005, "a3"), (1006, "e3"), (1011, "e3")])
with open("controller.jsonl", "w") as file:
    reverse = flow("p11", VM1, GW1, "10.1.0.3", "10.2.0.3", VM2, "p12", "0x1008000040051")
    forward = flow("p12", VM2, GW2, "10.2.0.3", "10.1.0.3", VM1, "p11", "0x1008000000019",
                   release=1)
    for at, item in [(1003, reverse), (1003, forward), (1012, {"stats": {}})]:
        file.write(json.dumps({"at_ns": at * MS, **item}) + "\n")

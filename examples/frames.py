"""Frames, captures and expectations shared by the examples' make_captures.py.

Nothing here reads the output of `dash`: a received frame is built layer by
layer with Scapy, and the frame expected to leave is built from the header
values that the specification prescribes.
"""

from __future__ import annotations

import argparse
import json
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from scapy.layers.inet import IP, UDP, IPOption_EOL, IPOption_NOP
from scapy.layers.inet6 import IPv6
from scapy.layers.l2 import Ether
from scapy.layers.vxlan import VXLAN
from scapy.packet import Packet, Raw

# Every capture starts at this second of the epoch, so that two runs of a
# script write the same bytes.
EPOCH_SECONDS = 1_700_000_000

VXLAN_PORT = 4789
NO_MAC = "00:00:00:00:00:00"

# The link between the host (or fabric) and the appliance. These addresses
# play no part in forwarding.
LINK_SRC = "02:00:00:00:0f:01"
LINK_DST = "02:00:00:00:0f:02"


@dataclass(frozen=True)
class Received:
    """One record of an input capture: microseconds after the first, bytes."""

    at_us: int
    frame: bytes


@dataclass(frozen=True)
class Outcome:
    """What must become of one frame.

    `drop` names the counter of a dropped frame; otherwise `frame` leaves by
    `port`. `acl` lists the result of each stage that ran, `route` is the prefix
    of the outbound route; both are empty where the frame hit a flow. `flow_hit`
    None: not prescribed, nor are `acl` and `route` then. `src` and `dst` are the
    customer's addresses, empty where there is no readable customer.
    """

    frame: bytes | None = None
    port: int = 0
    drop: str | None = None
    src: str = ""
    dst: str = ""
    acl: tuple[str, ...] = ()
    route: str | None = None
    flow_hit: bool | None = False


@dataclass(frozen=True)
class Case:
    """One run of `dash run` and everything it must produce."""

    name: str
    config: tuple[str, ...]
    inputs: dict[int, str]
    outcomes: tuple[Outcome, ...]
    # Live flow pairs when the run ends; None where the specification is silent.
    flow_pairs: int | None
    options: tuple[str, ...] = ()
    at: tuple[tuple[str, str], ...] = ()
    note: str = field(default="", kw_only=True)


def customer_length(customer: bytes) -> int:
    """Ethernet header and IP packet of a customer frame, without padding."""
    ethertype = int.from_bytes(customer[12:14], "big")
    if ethertype == 0x0800:
        return 14 + int.from_bytes(customer[16:18], "big")
    if ethertype == 0x86DD:
        return 14 + 40 + int.from_bytes(customer[18:20], "big")
    raise ValueError(f"no IP packet: ethertype {ethertype:#06x}")


def received(
    customer: Packet | bytes,
    *,
    src: str,
    dst: str,
    vni: int,
    tos: int = 0,
    inner_padding: int = 0,
    trailer: int = 0,
    ip_options: bool = False,
) -> bytes:
    """A frame as the appliance receives it: the customer frame in VXLAN.

    The source port looks like the entropy of a real sender. `inner_padding`
    bytes stand behind the customer's IP packet, inside the tunnel; `trailer`
    bytes stand behind the outer IP packet. `ip_options` gives the outer IPv4
    header four bytes of options.
    """
    inner = bytes(customer) + bytes(inner_padding)
    udp = UDP(sport=50_000, dport=VXLAN_PORT)
    outer: Packet
    if ip_address(dst).version == 4:
        outer = IP(src=src, dst=dst, tos=tos, id=0x1234, flags="DF", ttl=63)
        if ip_options:
            outer.options = [IPOption_NOP(), IPOption_NOP(), IPOption_NOP()]
            outer.options.append(IPOption_EOL())
        udp.chksum = 0
    else:
        # No zero here: a sender may well compute the checksum over IPv6.
        outer = IPv6(src=src, dst=dst, tc=tos, fl=0x12345, hlim=63)
    link = Ether(src=LINK_SRC, dst=LINK_DST)
    frame = link / outer / udp / VXLAN(flags=0x08, vni=vni) / Raw(inner)
    return bytes(frame) + bytes(trailer)


def encapsulated(
    customer: Packet | bytes,
    *,
    src: str,
    dst: str,
    vni: int,
    dmac: str | None = None,
    dscp: int = 0,
    link_src: str = NO_MAC,
    link_dst: str = NO_MAC,
) -> bytes:
    """The frame that leaves: sections 1.6 (IPv4) and 0.3 (IPv6 underlay).

    Only the customer's destination MAC changes (`dmac`; None keeps it) and
    padding behind its IP packet is cut. Identification 1, TTL or hop limit 64,
    UDP source port 0 and UDP checksum 0 are prescribed, ECN is 0.
    """
    inner = bytes(customer)
    inner = inner[: customer_length(inner)]
    if dmac is not None:
        inner = bytes.fromhex(dmac.replace(":", "")) + inner[6:]
    udp_length = 8 + 8 + len(inner)
    udp = UDP(sport=0, dport=VXLAN_PORT, len=udp_length, chksum=0)
    tos = dscp << 2
    outer: Packet
    if ip_address(dst).version == 4:
        ethertype = 0x0800
        outer = IP(
            version=4,
            ihl=5,
            tos=tos,
            len=20 + udp_length,
            id=1,
            flags=0,
            frag=0,
            ttl=64,
            proto=17,
            src=src,
            dst=dst,
        )
    else:
        ethertype = 0x86DD
        outer = IPv6(
            version=6, tc=tos, fl=0, plen=udp_length, nh=17, hlim=64, src=src, dst=dst
        )
    link = Ether(src=link_src, dst=link_dst, type=ethertype)
    return bytes(link / outer / udp / VXLAN(flags=0x08, vni=vni) / Raw(inner))


def write_pcap(path: Path, records: Sequence[Received]) -> None:
    """Write a little-endian nanosecond pcap of Ethernet frames."""
    path.parent.mkdir(parents=True, exist_ok=True)
    out = bytearray(struct.pack("<IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, 65_535, 1))
    for record in records:
        seconds, microseconds = divmod(record.at_us, 1_000_000)
        length = len(record.frame)
        out += struct.pack(
            "<IIII", EPOCH_SECONDS + seconds, microseconds * 1_000, length, length
        )
        out += record.frame
    path.write_bytes(out)


def merged(
    inputs: dict[int, str], captures: Mapping[str, Sequence[Received]]
) -> list[tuple[int, Received]]:
    """The frames of all inputs by time; ties keep the order of the arguments."""
    frames = [(port, item) for port, name in inputs.items() for item in captures[name]]
    return sorted(frames, key=lambda frame: frame[1].at_us)


def write_case(
    directory: Path, case: Case, captures: Mapping[str, Sequence[Received]]
) -> None:
    """Write `expected/NAME/`: the output captures and `expected.json`.

    An output frame carries the time of its input frame. An input port from which
    nothing leaves has an empty capture.
    """
    frames = merged(case.inputs, captures)
    sent: dict[int, list[Received]] = {port: [] for port in case.inputs}
    rows: list[dict[str, Any]] = []
    pairs = zip(frames, case.outcomes, strict=True)
    for number, ((in_port, item), outcome) in enumerate(pairs, start=1):
        row: dict[str, Any] = {
            "frame": number,
            "in": in_port,
            "src": outcome.src,
            "dst": outcome.dst,
            "flow_hit": outcome.flow_hit,
            "acl": list(outcome.acl),
            "route": outcome.route,
        }
        if outcome.drop is not None:
            row["drop"] = outcome.drop
        else:
            assert outcome.frame is not None, f"{case.name}: frame {number}"
            row["out"] = outcome.port
            sent.setdefault(outcome.port, []).append(
                Received(item.at_us, outcome.frame)
            )
        rows.append(row)
    drops = Counter(outcome.drop for outcome in case.outcomes if outcome.drop)
    summary: dict[str, Any] = {
        "note": case.note,
        "config": list(case.config),
        "in": {str(port): name for port, name in case.inputs.items()},
        "options": list(case.options),
        "at": [list(change) for change in case.at],
        "frames_in": len(frames),
        "frames_out": {str(port): len(items) for port, items in sorted(sent.items())},
        "drops": dict(sorted(drops.items())),
        "flow_pairs": case.flow_pairs,
    }
    target = directory / "expected" / case.name
    for port, items in sent.items():
        write_pcap(target / f"{port}.pcap", items)
    # One row a line: the file is read by people, too.
    head = json.dumps(summary, indent=2)[:-2]
    body = ",\n".join(f"    {json.dumps(row)}" for row in rows)
    text = f'{head},\n  "rows": [\n{body}\n  ]\n}}\n'
    assert json.loads(text)["rows"] == rows
    (target / "expected.json").write_text(text, encoding="utf-8")


def write_all(
    directory: Path, captures: Mapping[str, Sequence[Received]], cases: Sequence[Case]
) -> None:
    """Write the input captures and, for each case, what must come of them."""
    assert len({case.name for case in cases}) == len(cases), "a case name is used twice"
    for name, records in captures.items():
        write_pcap(directory / name, records)
    for case in cases:
        write_case(directory, case, captures)


def output_directory(description: str | None, default: Path) -> Path:
    """The directory named by `--out`; the example's own by default."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument(
        "--out",
        type=Path,
        default=default,
        help="directory to write to (default: the example's own)",
    )
    directory: Path = parser.parse_args().out
    return directory

"""Captures of the VNET-to-VNET example and what must come of each frame.

Writes the input captures beside this script and, for each run of `dash run`
that the README describes, `expected/NAME/` with the output captures and
`expected.json`. It never reads the output of `dash`, nor the configurations:
the scenario is written down here a second time. Needs Scapy.

    python3 examples/vnet-to-vnet/make_captures.py [--out DIR]
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scapy.layers.dns import DNS, DNSQR, DNSRR  # noqa: E402
from scapy.layers.inet import ICMP, IP, TCP, UDP  # noqa: E402
from scapy.layers.inet6 import (  # noqa: E402
    ICMPv6EchoReply,
    ICMPv6EchoRequest,
    IPv6,
)
from scapy.layers.l2 import ARP, Dot1Q, Ether  # noqa: E402
from scapy.packet import Packet, Raw  # noqa: E402

from frames import (  # noqa: E402
    Case,
    Outcome,
    Received,
    encapsulated,
    output_directory,
    received,
    write_all,
)

# The V-Port and its appliance.
SMAC1 = "02:00:00:00:00:01"
DMAC_FAKE = "12:34:56:78:9a:bc"
MAC1, MAC2, MAC3 = (f"02:00:00:00:01:{number:02x}" for number in (1, 2, 3))
VM_VNI = 4321

# The underlay, by IP version: the host of the VM and the appliance (VIP).
HOST = {4: "100.0.0.1", 6: "3ffe::1"}
VIP = {4: "100.0.0.2", 6: "3ffe::2"}

# The VNI by which customer 1 is reached: row 1 of the mapping table.
VNI_TO_VM = 100

# The way in from the internet: a gateway, its VNI and its MAC.
GATEWAY = "100.0.0.9"
GATEWAY_MAC = "02:00:00:00:09:01"
INTERNET_VNI = 5000
INTERNET_HOST = "8.8.8.8"

# Results of the three outbound ACL stages.
PERMITTED = ("permit", "permit", "permit")
BLOCKED_1 = ("deny",)
BLOCKED_2 = ("permit", "deny")

# The published result for 10.0.0.2, worked out by hand: the headers before the
# customer frame, over either underlay.
PUBLISHED_HEADERS = {
    4: bytes.fromhex("""
        00 00 00 00 00 00 00 00 00 00 00 00 08 00
        45 00 00 6e 00 01 00 00 40 11 b2 7b 64 00 00 02 64 00 00 01
        00 00 12 b5 00 5a 00 00
        08 00 00 00 00 00 c8 00
        """),
    6: bytes.fromhex("""
        00 00 00 00 00 00 00 00 00 00 00 00 86 dd
        60 00 00 00 00 5a 11 40
        3f fe 00 00 00 00 00 00 00 00 00 00 00 00 00 02
        3f fe 00 00 00 00 00 00 00 00 00 00 00 00 00 01
        00 00 12 b5 00 5a 00 00
        08 00 00 00 00 00 c8 00
        """),
}
# Then Mac1, SMAC1, IPv4.
PUBLISHED_INNER = bytes.fromhex("020000000101 020000000001 0800")

STEP_US = 1_000


@dataclass(frozen=True)
class Row:
    """A row of the mapping table: where and how a customer is reached."""

    pa: dict[int, str]
    mac: str
    vni: int


ROW_3 = Row({4: "100.0.0.3", 6: "3ffe::3"}, MAC3, 300)
READINGS: dict[str, dict[str, Row]] = {
    # What the published example says of 10.0.0.2: PA and MAC of row 1, VNI of row 2.
    "published": {"2": Row({4: "100.0.0.1", 6: "3ffe::1"}, MAC1, 200), "3": ROW_3},
    # What its table says: the PA of row 2 is the appliance's own.
    "as-printed": {"2": Row({4: "100.0.0.2", 6: "3ffe::2"}, MAC2, 200), "3": ROW_3},
}


def customer_address(version: int, host: str) -> str:
    """Customer `host` of VNET1: "10" is 10.0.0.10 and, in IPv6, fd00::a."""
    return f"10.0.0.{host}" if version == 4 else f"fd00::{int(host):x}"


def subnet(version: int) -> str:
    """The route to VNET1."""
    return "10.0.0.0/24" if version == 4 else "fd00::/64"


def ip_header(src: str, dst: str) -> Packet:
    """The customer's IP header."""
    if ip_address(src).version == 4:
        return IP(src=src, dst=dst, id=1, ttl=64)
    return IPv6(src=src, dst=dst, hlim=64)


def from_vm(src: str, dst: str, payload: Packet, smac: str = SMAC1) -> bytes:
    """A customer frame as the VM sends it, to the fake MAC."""
    return bytes(Ether(src=smac, dst=DMAC_FAKE) / ip_header(src, dst) / payload)


def to_vm(src: str, dst: str, smac: str, payload: Packet) -> bytes:
    """A customer frame on its way to the VM."""
    return bytes(Ether(src=smac, dst=SMAC1) / ip_header(src, dst) / payload)


def udp(size: int = 32) -> Packet:
    """A datagram to a port for which no dissector lays claim to the payload."""
    return UDP(sport=40_000, dport=50_000) / Raw(bytes(range(size)))


def tcp(
    flags: str,
    seq: int,
    ack: int = 0,
    *,
    sport: int = 40_001,
    dport: int = 80,
    data: bytes = b"",
) -> Packet:
    """A TCP segment; every field that Scapy might choose is given."""
    header = TCP(sport=sport, dport=dport, flags=flags, seq=seq, ack=ack, window=65_535)
    return header / Raw(data) if data else header


def echo(version: int, *, reply: bool) -> Packet:
    """An ICMP or ICMPv6 echo message."""
    data = b"dash example"
    if version == 4:
        return ICMP(type=0 if reply else 8, id=7, seq=1) / Raw(data)
    message = ICMPv6EchoReply if reply else ICMPv6EchoRequest
    return message(id=7, seq=1, data=data)


class Run:
    """Frames in order, each with its outcome."""

    def __init__(self, underlay: int = 4, row: dict[str, Row] | None = None) -> None:
        self.underlay = underlay
        self.rows = row if row is not None else READINGS["published"]
        self.frames: list[Received] = []
        self.outcomes: list[Outcome] = []
        self.clock_us = 0

    def at(self, time_us: int) -> None:
        """Set the time of the next frame."""
        assert time_us >= self.clock_us
        self.clock_us = time_us

    def add(self, frame: bytes, outcome: Outcome) -> None:
        """Append a frame; the next one follows a millisecond later."""
        self.frames.append(Received(self.clock_us, frame))
        self.outcomes.append(outcome)
        self.clock_us += STEP_US

    def to_customer(
        self,
        version: int,
        host: str,
        payload: Packet,
        *,
        hit: bool = False,
        tos: int = 0,
        inner_padding: int = 0,
        trailer: int = 0,
        ip_options: bool = False,
    ) -> None:
        """VM to customer `host` of VNET1, judged by the seed's table."""
        src = customer_address(version, "1")
        dst = customer_address(version, host)
        frame = from_vm(src, dst, payload)
        wire = received(
            frame,
            src=HOST[self.underlay],
            dst=VIP[self.underlay],
            vni=VM_VNI,
            tos=tos,
            inner_padding=inner_padding,
            trailer=trailer,
            ip_options=ip_options,
        )
        if host in ("10", "11"):
            acl = BLOCKED_1 if host == "10" else BLOCKED_2
            drop = f"acl_out_drop.{len(acl)}"
            self.add(wire, Outcome(drop=drop, src=src, dst=dst, acl=acl))
            return
        row = self.rows[host]
        out = encapsulated(
            frame,
            src=VIP[self.underlay],
            dst=row.pa[self.underlay],
            vni=row.vni,
            dmac=row.mac,
            dscp=tos >> 2,
        )
        outcome = Outcome(
            out,
            src=src,
            dst=dst,
            acl=() if hit else PERMITTED,
            route=None if hit else subnet(version),
            flow_hit=hit,
        )
        self.add(wire, outcome)

    def from_customer_3(self, version: int, payload: Packet, tos: int = 0) -> None:
        """An answer of customer 3, which passes because of the flow."""
        src, dst = customer_address(version, "3"), customer_address(version, "1")
        frame = to_vm(src, dst, MAC3, payload)
        wire = received(
            frame,
            src=ROW_3.pa[self.underlay],
            dst=VIP[self.underlay],
            vni=VNI_TO_VM,
            tos=tos,
        )
        out = encapsulated(
            frame,
            src=VIP[self.underlay],
            dst=HOST[self.underlay],
            vni=VM_VNI,
            dscp=tos >> 2,
        )
        self.add(wire, Outcome(out, src=src, dst=dst, flow_hit=True))


def table(run: Run, version: int) -> Run:
    """The four frames of the seed's table, in its order."""
    for host in ("10", "11", "2", "3"):
        run.to_customer(version, host, udp())
    return run


def transports(run: Run) -> Run:
    """TCP, ICMP, flow hits, DSCP, padding, outer IPv4 options."""
    # A short customer frame, padded to 60 bytes inside the tunnel.
    run.to_customer(4, "2", udp(2), inner_padding=16)
    # Hits of the same flow: DSCP 46 with an ECN mark, then DSCP 0 again; the
    # mark is not copied, and the DSCP is the frame's own each time.
    run.to_customer(4, "2", udp(), hit=True, tos=(46 << 2) | 1)
    run.to_customer(4, "2", udp(), hit=True)
    # Bytes behind the outer IP packet.
    run.to_customer(4, "2", udp(), hit=True, trailer=6)
    # Options in the outer IPv4 header, which end with the tunnel.
    run.to_customer(4, "2", udp(), hit=True, ip_options=True)
    run.to_customer(4, "3", tcp("S", 1_000))
    run.from_customer_3(4, tcp("SA", 5_000, 1_001, sport=80, dport=40_001))
    run.to_customer(4, "3", tcp("A", 1_001, 5_001), hit=True)
    run.to_customer(4, "3", echo(4, reply=False), tos=46 << 2)
    run.from_customer_3(4, echo(4, reply=True), tos=46 << 2)
    run.to_customer(4, "10", tcp("S", 1_000))
    run.to_customer(4, "11", tcp("S", 1_000))
    return run


def overlay6(run: Run, *, answers: bool) -> Run:
    """The table over an IPv6 overlay; with `answers`, TCP and ICMPv6 as well."""
    table(run, 6)
    if answers:
        run.to_customer(6, "3", tcp("S", 1_000))
        run.from_customer_3(6, tcp("SA", 5_000, 1_001, sport=80, dport=40_001))
        run.to_customer(6, "3", echo(6, reply=False))
        run.from_customer_3(6, echo(6, reply=True))
        run.to_customer(6, "2", udp(), hit=True, tos=46 << 2)
        run.to_customer(6, "10", tcp("S", 1_000))
        run.to_customer(6, "11", tcp("S", 1_000))
    return run


def host6(run: Run) -> Run:
    """The table with a VM whose host has an IPv6 address only, and an answer."""
    table(run, 4)
    run.to_customer(4, "3", echo(4, reply=False), tos=46 << 2)
    run.from_customer_3(4, echo(4, reply=True), tos=46 << 2)
    # Bytes behind the outer IPv6 packet, and padding in the tunnel.
    run.to_customer(4, "2", udp(2), hit=True, inner_padding=16, trailer=6)
    return run


def drops(run: Run) -> Run:
    """Frames that drop, for one reason each."""
    src = customer_address(4, "1")

    def to_vip(frame: Packet | bytes, vni: int = VM_VNI) -> bytes:
        return received(frame, src=HOST[4], dst=VIP[4], vni=vni)

    to_3 = from_vm(src, "10.0.0.3", udp())

    def drop(
        name: str, frame: bytes, *, dst: str = "10.0.0.3", acl: tuple[str, ...] = ()
    ) -> None:
        route = subnet(4) if "ca_pa" in name else None
        run.add(frame, Outcome(drop=name, src=src, dst=dst, acl=acl, route=route))

    # No mapping row; no route.
    for dst, name in (
        ("10.0.0.4", "outbound_ca_pa_entry_miss_drop"),
        ("30.0.0.1", "outbound_routing_entry_miss_drop"),
    ):
        frame = to_vip(from_vm(src, dst, udp()))
        drop(name, frame, dst=dst, acl=PERMITTED)
    # A source MAC that is no ENI's.
    stranger = from_vm(src, "10.0.0.3", udp(), smac="02:00:00:00:00:99")
    drop("eni_miss_drop", to_vip(stranger))
    # A VNI that is no direction entry means inbound, and DMAC_FAKE is no ENI's.
    drop("eni_miss_drop", to_vip(to_3, vni=999))
    # To the VIP, but not VXLAN: a plain datagram to another port.
    plain = bytes(
        Ether(src=MAC3, dst=MAC2) / IP(src=HOST[4], dst=VIP[4], id=1, ttl=64) / udp()
    )
    run.add(plain, Outcome(drop="eni_miss_drop"))
    # Not to the VIP; to the VIP behind a VLAN tag.
    drop("vip_miss_drop", received(to_3, src=HOST[4], dst="100.0.0.7", vni=VM_VNI))
    wire = to_vip(to_3)
    tag = bytes(Dot1Q(vlan=10, type=0x0800))
    tagged = wire[:12] + b"\x81\x00" + tag + wire[14:]
    run.add(tagged, Outcome(drop="vip_miss_drop"))
    # A frame of customer 3 that no flow expects, by a VNI that is not trusted.
    answer = to_vm("10.0.0.3", src, MAC3, udp())
    run.add(
        received(answer, src=ROW_3.pa[4], dst=VIP[4], vni=VNI_TO_VM),
        Outcome(drop="eni_trusted_vni_entry_miss_drop", src="10.0.0.3", dst=src),
    )
    # A fragment whose first never came, and a frame that is not IP, of the customer.
    fragment = bytearray(to_3)
    fragment[14:34] = bytes(
        IP(src=src, dst="10.0.0.3", id=1, ttl=64, proto=17, flags="MF", frag=5, len=60)
    )
    drop("fragment_drop", to_vip(bytes(fragment)))
    arp = Ether(src=SMAC1, dst="ff:ff:ff:ff:ff:ff") / ARP(
        hwsrc=SMAC1, psrc=src, pdst="10.0.0.3"
    )
    not_ip = to_vip(arp)
    run.add(not_ip, Outcome(drop="inner_not_ip_drop"))
    # VXLAN without the I bit (the header stands behind 14 + 20 + 8 bytes).
    assert wire[42] == 0x08
    no_vni = wire[:42] + b"\x00" + wire[43:]
    run.add(no_vni, Outcome(drop="parse.vxlan_flags"))
    return run


# The conversations with 8.8.8.8: a name is asked for, then a page.
DNS_QUESTION = DNSQR(qname="example.com", qtype="A", qclass="IN")
DNS_QUERY = UDP(sport=40_053, dport=53) / DNS(id=1, rd=1, qd=[DNS_QUESTION])
DNS_RECORD = DNSRR(rrname="example.com", type="A", ttl=60, rdata="93.184.216.34")
DNS_ANSWER = UDP(sport=53, dport=40_053) / DNS(
    id=1, qr=1, rd=1, ra=1, qd=[DNS_QUESTION], an=[DNS_RECORD]
)
# The request comes in two parts, so that the first frame after the pause is the
# server's bare acknowledgement: no capture has a gap when it is dropped.
HTTP_REQUEST = (b"GET / HTTP/1.1\r\n", b"Host: example.com\r\n\r\n")
HTTP_RESPONSE = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 6\r\n\r\n"
    b"hello\n"
)
CLIENT_SEQ, SERVER_SEQ = 1_000, 5_000
CLIENT_PART_2 = CLIENT_SEQ + 1 + len(HTTP_REQUEST[0])
CLIENT_NEXT = CLIENT_PART_2 + len(HTTP_REQUEST[1])


def from_server(flags: str, seq: int, ack: int, data: bytes = b"") -> Packet:
    """A segment of the server's."""
    return tcp(flags, seq, ack, sport=80, dport=40_001, data=data)


def request(
    payload: Packet, *, hit: bool, inner_padding: int = 0
) -> tuple[bytes, Outcome]:
    """VM to 8.8.8.8: route `direct`, so the customer frame leaves as it is.

    Padding is no part of it and is cut.
    """
    src = customer_address(4, "1")
    frame = from_vm(src, INTERNET_HOST, payload)
    outcome = Outcome(
        frame,
        src=src,
        dst=INTERNET_HOST,
        acl=() if hit else PERMITTED,
        route=None if hit else "0.0.0.0/0",
        flow_hit=hit,
    )
    wire = received(
        frame, src=HOST[4], dst=VIP[4], vni=VM_VNI, inner_padding=inner_padding
    )
    return wire, outcome


def answer(payload: Packet) -> tuple[bytes, Outcome]:
    """8.8.8.8 to the VM, which passes because of the flow."""
    dst = customer_address(4, "1")
    frame = to_vm(INTERNET_HOST, dst, GATEWAY_MAC, payload)
    out = encapsulated(frame, src=VIP[4], dst=HOST[4], vni=VM_VNI)
    outcome = Outcome(out, src=INTERNET_HOST, dst=dst, flow_hit=True)
    return received(frame, src=GATEWAY, dst=VIP[4], vni=INTERNET_VNI), outcome


def internet(run: Run) -> Run:
    """Both conversations; a change at one second falls between frames 6 and 7."""
    run.add(*request(DNS_QUERY, hit=False))
    run.at(20_000)
    run.add(*answer(DNS_ANSWER))
    run.at(100_000)
    run.add(*request(tcp("S", CLIENT_SEQ), hit=False, inner_padding=6))
    run.add(*answer(from_server("SA", SERVER_SEQ, CLIENT_SEQ + 1)))
    run.add(*request(tcp("A", CLIENT_SEQ + 1, SERVER_SEQ + 1), hit=True))
    first = tcp("PA", CLIENT_SEQ + 1, SERVER_SEQ + 1, data=HTTP_REQUEST[0])
    run.add(*request(first, hit=True))
    run.at(2_000_000)
    run.add(*answer(from_server("A", SERVER_SEQ + 1, CLIENT_PART_2)))
    second = tcp("PA", CLIENT_PART_2, SERVER_SEQ + 1, data=HTTP_REQUEST[1])
    run.add(*request(second, hit=True))
    run.add(*answer(from_server("PA", SERVER_SEQ + 1, CLIENT_NEXT, HTTP_RESPONSE)))
    return run


def answer_alone(run: Run) -> Run:
    """Answers to requests that were never sent."""
    run.add(*answer(DNS_ANSWER))
    run.add(*answer(from_server("SA", SERVER_SEQ, CLIENT_SEQ + 1)))
    return run


def blocked_inbound(outcome: Outcome) -> Outcome:
    """The same answer without a flow: inbound ACL stage 1 drops it."""
    return Outcome(
        drop="acl_in_drop.1", src=outcome.src, dst=outcome.dst, acl=("deny",)
    )


def evaluated(outcome: Outcome) -> Outcome:
    """The same frame, sent by policy and not by a flow."""
    outbound = outcome.dst == INTERNET_HOST
    return Outcome(
        outcome.frame,
        src=outcome.src,
        dst=outcome.dst,
        acl=PERMITTED if outbound else (),
        route="0.0.0.0/0" if outbound else None,
    )


def with_changes(
    outcomes: Sequence[Outcome], changes: dict[int, Outcome]
) -> tuple[Outcome, ...]:
    """The outcomes with some replaced, by frame number."""
    return tuple(
        changes.get(number, outcome) for number, outcome in enumerate(outcomes, 1)
    )


def internet_cases(run: Run, alone: Run) -> list[Case]:
    """The flow example and its counter-proofs."""
    out = run.outcomes
    by_number = dict(enumerate(out, start=1))
    config = ("internet.json",)
    inputs = {0: "internet.pcap"}
    revoked = Outcome(
        drop="acl_out_drop.1", src=out[7].src, dst=out[7].dst, acl=("deny",)
    )
    return [
        Case(
            "internet",
            config,
            inputs,
            tuple(out),
            2,
            note="Inbound stage 1 blocks the internet; the answers pass by the flow.",
        ),
        Case(
            "internet-change-unrelated",
            config,
            inputs,
            with_changes(out, {8: replace(by_number[8], flow_hit=None)}),
            2,
            at=(("1", "change-unrelated.json"),),
            note="An unrelated change between frames 6 and 7 alters nothing. Whether "
            "frame 8 hits its flow or is evaluated again is not prescribed.",
        ),
        Case(
            "internet-change-block",
            config,
            inputs,
            with_changes(out, {8: revoked, 9: blocked_inbound(by_number[9])}),
            1,
            at=(("1", "change-block-internet.json"),),
            note="The outbound ACL is closed between frames 6 and 7. Frame 7 (the other "
            "direction) keeps its flow; frame 8 is evaluated again and denied, which "
            "removes both halves; so frame 9 meets the inbound ACL.",
        ),
        Case(
            "internet-answer-alone",
            config,
            {0: "answer-alone.pcap"},
            tuple(blocked_inbound(outcome) for outcome in alone.outcomes),
            0,
            note="The request was never sent: inbound stage 1 drops the answer.",
        ),
        Case(
            "internet-answer-alone-open",
            (*config, "open-inbound.json"),
            {0: "answer-alone.pcap"},
            tuple(evaluated(outcome) for outcome in alone.outcomes),
            2,
            note="Without the inbound ACL the same answers pass: only it stops them.",
        ),
        Case(
            "internet-no-flows",
            config,
            inputs,
            tuple(
                (
                    evaluated(outcome)
                    if outcome.dst == INTERNET_HOST
                    else blocked_inbound(outcome)
                )
                for outcome in out
            ),
            0,
            options=("--flows", "0"),
            note="Without a flow table no answer passes.",
        ),
        Case(
            "internet-idle",
            config,
            inputs,
            with_changes(
                out,
                {7: blocked_inbound(by_number[7]), 8: evaluated(by_number[8])},
            ),
            1,
            options=("--idle-timeout", "1"),
            note="Frame 7 comes after the idle time-out; frame 8 makes the flow anew.",
        ),
    ]


def routed(outcome: Outcome, port: int) -> Outcome:
    """The same frame, sent by an underlay route and with the link's MACs."""
    assert outcome.frame is not None
    macs = bytes.fromhex("02000000" "0a02" "02000000" "0a01")
    return replace(outcome, frame=macs + outcome.frame[12:], port=port)


def underlay_routes_case(table4: Run, table6: Run) -> Case:
    """IPv4 on port 0 and IPv6 on port 3, frame by frame at the same times."""
    first, second, to_2, to_3 = table4.outcomes
    first6, second6, to_2_v6, to_3_v6 = table6.outcomes
    return Case(
        "underlay-routes",
        ("published.json", "underlay-routes.json"),
        {0: "vm.pcap", 3: "vm-overlay6-underlay6.pcap"},
        (
            first,
            first6,
            second,
            second6,
            routed(to_2, 1),
            routed(to_2_v6, 2),
            replace(to_3, frame=None, drop="underlay_drop"),
            routed(to_3_v6, 2),
        ),
        # Whether a frame that an underlay route drops leaves a flow is not prescribed.
        None,
        note="Underlay routes: 100.0.0.0/24 by port 1, 3ffe::/64 by port 2, "
        "100.0.0.3/32 dropped.",
    )


def main() -> None:
    """Write the captures."""
    captures: dict[str, Sequence[Received]] = {}
    cases: list[Case] = []
    for reading, rows in READINGS.items():
        runs = {
            "vm": (table(Run(4, rows), 4), 2, "The seed's table."),
            "transports": (
                transports(Run(4, rows)),
                3,
                "TCP, ICMP, flow hits, DSCP, padding, outer IPv4 options.",
            ),
            "vm-underlay6": (
                table(Run(6, rows), 4),
                2,
                "The seed's table over the IPv6 underlay.",
            ),
            "vm-overlay6": (
                overlay6(Run(4, rows), answers=True),
                4,
                "The seed's table with IPv6 customers, then TCP and ICMPv6.",
            ),
            "vm-overlay6-underlay6": (
                overlay6(Run(6, rows), answers=False),
                2,
                "IPv6 customers over the IPv6 underlay.",
            ),
        }
        for name, (run, flow_pairs, note) in runs.items():
            capture = f"{name}.pcap"
            # Both readings see the same frames.
            assert captures.setdefault(capture, run.frames) == run.frames
            cases.append(
                Case(
                    f"{reading}-{name}",
                    (f"{reading}.json",),
                    {0: capture},
                    tuple(run.outcomes),
                    flow_pairs,
                    note=note,
                )
            )
        if reading == "published":
            for underlay, name in ((4, "vm"), (6, "vm-underlay6")):
                frame = runs[name][0].outcomes[2].frame
                start = PUBLISHED_HEADERS[underlay] + PUBLISHED_INNER
                assert frame is not None and frame.startswith(start), name
            cases.append(
                underlay_routes_case(runs["vm"][0], runs["vm-overlay6-underlay6"][0])
            )

    dropped, answered, online, alone = Run(), Run(6), Run(), Run()
    captures["drops.pcap"] = drops(dropped).frames
    cases.append(
        Case(
            "drops",
            ("published.json",),
            {0: "drops.pcap"},
            tuple(dropped.outcomes),
            0,
            note="Each frame is dropped, under its own name.",
        )
    )
    captures["host6.pcap"] = host6(answered).frames
    cases.append(
        Case(
            "host6",
            ("host6.json",),
            {0: "host6.pcap"},
            tuple(answered.outcomes),
            3,
            note="The VM's host has an IPv6 address: answers go there, too.",
        )
    )
    captures["internet.pcap"] = internet(online).frames
    captures["answer-alone.pcap"] = answer_alone(alone).frames
    cases += internet_cases(online, alone)
    write_all(output_directory(__doc__, HERE), captures, cases)


if __name__ == "__main__":
    main()

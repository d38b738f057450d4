"""Captures of the two worked frames of the DASH specification.

Writes the input captures, the expected output captures and `expected.json` of
each case. It never reads the output of `dash`. Needs Scapy.

    python3 examples/spec-frames/make_captures.py [--out DIR]
"""

from __future__ import annotations

import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

from scapy.layers.inet import IP, UDP  # noqa: E402
from scapy.layers.l2 import Ether  # noqa: E402
from scapy.packet import Raw  # noqa: E402

from frames import (  # noqa: E402
    Case,
    Outcome,
    Received,
    encapsulated,
    output_directory,
    received,
    write_all,
)

CUSTOMER_SRC = "10.1.1.10"
CUSTOMER_DST = "10.1.2.50"
CUSTOMER_MAC = "00:cc:cc:cc:cc:cc"

# What the specification prints, byte for byte: IPv4, UDP and VXLAN headers.
OUTBOUND_HEADERS = bytes.fromhex("""
    45 00 00 88 00 01 00 00 40 11 1f cc ac 10 01 64 ac 10 01 14
    00 00 12 b5 00 74 00 00
    08 00 00 00 00 00 64 00
    """)
INBOUND_HEADERS = bytes.fromhex("""
    45 00 00 88 00 01 00 00 40 11 63 4f 0a 01 01 01 0a 0a 02 0a
    00 00 12 b5 00 74 00 00
    08 00 00 00 00 00 02 00
    """)


def customer(dmac: str) -> bytes:
    """The customer frame of both examples: 100 bytes, 86 of them IP."""
    ip = IP(src=CUSTOMER_SRC, dst=CUSTOMER_DST, ttl=64, id=1, flags=0)
    udp = UDP(sport=1234, dport=80)
    frame = bytes(Ether(src=CUSTOMER_MAC, dst=dmac) / ip / udp / Raw(bytes(range(58))))
    assert len(frame) == 100
    assert int.from_bytes(frame[16:18], "big") == 86
    return frame


def check(frame: bytes, headers: bytes, inner: bytes) -> None:
    """The whole frame, against the bytes that the specification prints."""
    assert frame == bytes(12) + b"\x08\x00" + headers + inner, frame.hex(" ")


def main() -> None:
    """Write the captures."""
    outbound_in = customer("12:34:56:78:9a:bc")
    outbound = encapsulated(
        outbound_in,
        src="172.16.1.100",
        dst="172.16.1.20",
        vni=100,
        dmac="00:dd:dd:dd:dd:dd",
    )
    new_dmac = bytes.fromhex("00dddddddddd")
    check(outbound, OUTBOUND_HEADERS, new_dmac + outbound_in[6:])

    inbound_in = customer("00:aa:aa:aa:aa:aa")
    inbound = encapsulated(inbound_in, src="10.1.1.1", dst="10.10.2.10", vni=2)
    check(inbound, INBOUND_HEADERS, inbound_in)

    captures = {
        "outbound.pcap": [
            Received(
                0,
                received(outbound_in, src="172.16.1.1", dst="172.16.1.100", vni=100),
            )
        ],
        "inbound.pcap": [
            Received(0, received(inbound_in, src="172.16.1.1", dst="10.1.1.1", vni=100))
        ],
    }
    cases = [
        Case(
            "outbound",
            ("outbound.json",),
            {0: "outbound.pcap"},
            (
                Outcome(
                    outbound, src=CUSTOMER_SRC, dst=CUSTOMER_DST, route="10.1.2.0/24"
                ),
            ),
            1,
            note="The worked VXLAN example, outbound (section 1.9).",
        ),
        Case(
            "inbound",
            ("inbound.json",),
            {0: "inbound.pcap"},
            (Outcome(inbound, src=CUSTOMER_SRC, dst=CUSTOMER_DST),),
            1,
            note="The worked VXLAN example, inbound (section 2.13).",
        ),
    ]
    write_all(output_directory(__doc__, HERE), captures, cases)


if __name__ == "__main__":
    main()

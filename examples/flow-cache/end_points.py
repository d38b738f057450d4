"""The end points of the demonstration, with Scapy: `end_points.py server|otr|tenants INTERFACE`.

The server answers tenants, the off-path tunnel router encapsulates what it gets and tells the VLAN in
the reserved byte of VXLAN, and the tenants (behind the router of the data centre) ask twice: the
first answers come through the tunnel router, the second directly from the switch. Each compares every
byte that arrives with what this file says it should be, and says `wrong` where it is not."""
import sys
import time

from scapy.all import AsyncSniffer, Dot1Q, Ether, IP, UDP, VXLAN, conf, raw, sendp, sniff

TENANTS = {10: (100, "192.168.0.1"), 20: (200, "192.168.0.2"), 30: (300, "192.168.0.3")}
SERVER, ROUTER, VTEP = "1.1.1.1", "10.0.0.1", "10.10.10.10"
SERVER_MAC, TENANT_MAC = "e1:e1:e1:e1:e1:e1", "a1:a1:a1:a1:a1:a1"
DC_MAC, OTR_MAC = "dc:dc:dc:dc:dc:dc", "01:01:01:01:01:01"


def vxlan(macs, addresses, vni, reserved, inner, **more):
    outer = Ether(src=macs[0], dst=macs[1]) / IP(src=addresses[0], dst=addresses[1], **more)
    udp = UDP(sport=4789, dport=4789, chksum=0)
    return raw(outer / udp / VXLAN(flags=8, vni=vni, reserved2=reserved) / inner)


def frames(vlan):
    """Frames of a tenant's conversation, by where they arrive."""
    vni, tenant = TENANTS[vlan]
    ask = IP(src=tenant, dst=SERVER) / UDP(sport=12345, dport=1000) / (b"X" * 36)
    answer = IP(src=SERVER, dst=tenant) / UDP(sport=1000, dport=12345) / (b"X" * 36)
    inner = {"ask": Ether(src=TENANT_MAC, dst=SERVER_MAC) / ask,
             "answer": Ether(src=SERVER_MAC, dst=TENANT_MAC) / answer}
    tag = Dot1Q(vlan=vlan)
    return {
        "switch": vxlan((DC_MAC, "f1:f1:f1:f1:f1:f1"), (ROUTER, VTEP), vni, 0, inner["ask"]),
        "server": raw(Ether(src=TENANT_MAC, dst=SERVER_MAC) / tag / ask),
        "otr": raw(Ether(src=SERVER_MAC, dst=TENANT_MAC) / tag / answer),
        "first": vxlan((OTR_MAC, DC_MAC), (VTEP, ROUTER), vni, vlan, inner["answer"]),
        # What flow-cache.json has under `outer`, and the rest as the tunnel router showed it.
        "second": vxlan(("be:ef:be:ef:be:ef", "de:ad:de:ad:de:ad"), (VTEP, ROUTER), vni, 0,
                        inner["answer"], id=5395, ttl=64, tos=0),
    }


def as_expected(where, vlan, frame):
    right = vlan in TENANTS and raw(frame) == frames(vlan)[where]
    print(f"{where}: VLAN {vlan}", "as expected" if right else f"wrong: {raw(frame).hex()}", flush=True)
    return right


def listen(interface, handle):
    sniff(iface=interface, store=False, prn=handle,
          started_callback=lambda: print("ready", flush=True))


def serve(interface):
    def answer(frame):
        # What it sends is seen here too.
        if frame.src == SERVER_MAC or not as_expected("server", frame[Dot1Q].vlan, frame):
            return
        ip, udp = frame[IP], frame[UDP]
        packet = IP(src=ip.dst, dst=ip.src) / UDP(sport=udp.dport, dport=udp.sport) / raw(udp.payload)
        tag = Dot1Q(vlan=frame[Dot1Q].vlan)
        sendp(Ether(src=frame.dst, dst=frame.src) / tag / packet, iface=interface, verbose=False)
    listen(interface, answer)


def route(interface):
    def encapsulate(frame):
        if frame.src == OTR_MAC or not as_expected("otr", frame[Dot1Q].vlan, frame):
            return
        vlan = frame[Dot1Q].vlan
        inner = Ether(src=frame.src, dst=frame.dst) / frame[IP]
        out = vxlan((OTR_MAC, DC_MAC), (VTEP, ROUTER), TENANTS[vlan][0], vlan, inner)
        sendp(Ether(out), iface=interface, verbose=False)
    listen(interface, encapsulate)


def ask(interface, vlan, turn):
    """Whether what comes back, when the tenant in this VLAN asks, is right."""
    vni, tenant = TENANTS[vlan]
    frame = Ether(frames(vlan)["switch"])

    def is_answer(answer):
        return VXLAN in answer and answer[VXLAN].vni == vni and answer[VXLAN].payload[IP].dst == tenant
    sniffer = AsyncSniffer(iface=interface, lfilter=is_answer, count=1,
                           started_callback=lambda: sendp(frame, iface=interface, verbose=False))
    sniffer.start()
    sniffer.join(timeout=10)
    if sniffer.running:
        sys.exit(f"{tenant}: no answer")
    return as_expected(turn, vlan, sniffer.results[0])


def tenants(interface):
    for turn, way in (("first", "tunnel router"), ("second", "switch")):
        for vlan, (vni, tenant) in TENANTS.items():
            if not ask(interface, vlan, turn):
                sys.exit(1)
            print(f"{turn} answer for {tenant} (VNI {vni}) from the {way}", flush=True)
        # The answers are on their way no longer.
        time.sleep(0.2)


conf.verb = 0
{"server": serve, "otr": route, "tenants": tenants}[sys.argv[1]](sys.argv[2])

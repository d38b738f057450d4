"""The end points of the demonstration, with Scapy: `end_points.py server|otr|tenants INTERFACE`.

The server answers tenants, the off-path tunnel router encapsulates what it gets and tells the VLAN in
the reserved byte of VXLAN, and the tenants (behind the router of the data centre) ask twice: the
first answers come through the tunnel router, the second directly from the switch."""
import sys
import time

from scapy.all import AsyncSniffer, Dot1Q, Ether, IP, UDP, VXLAN, conf, raw, sendp, sniff

TENANTS = {10: (100, "192.168.0.1"), 20: (200, "192.168.0.2"), 30: (300, "192.168.0.3")}
SERVER, ROUTER, VTEP = "1.1.1.1", "10.0.0.1", "10.10.10.10"
SERVER_MAC, TENANT_MAC = "e1:e1:e1:e1:e1:e1", "a1:a1:a1:a1:a1:a1"
OTR_MAC, SWITCH_MAC = "01:01:01:01:01:01", "be:ef:be:ef:be:ef"


def listen(interface, handle):
    sniff(iface=interface, store=False, prn=handle,
          started_callback=lambda: print("ready", flush=True))


def serve(interface):
    def answer(frame):
        if Dot1Q not in frame or UDP not in frame or frame[IP].dst != SERVER:
            return
        ip, udp = frame[IP], frame[UDP]
        packet = IP(src=ip.dst, dst=ip.src) / UDP(sport=udp.dport, dport=udp.sport) / raw(udp.payload)
        tag = Dot1Q(vlan=frame[Dot1Q].vlan)
        sendp(Ether(src=frame.dst, dst=frame.src) / tag / packet, iface=interface, verbose=False)
    listen(interface, answer)


def route(interface):
    def encapsulate(frame):
        if Dot1Q not in frame or IP not in frame:
            return
        vlan = frame[Dot1Q].vlan
        vni, _ = TENANTS[vlan]
        print(f"router: VLAN {vlan} {frame[IP].src} -> {frame[IP].dst}", flush=True)
        inner = Ether(src=frame.src, dst=frame.dst) / frame[IP]
        outer = Ether(src=OTR_MAC, dst="dc:dc:dc:dc:dc:dc") / IP(src=VTEP, dst=ROUTER)
        tunnel = UDP(sport=4789, dport=4789, chksum=0) / VXLAN(flags=8, vni=vni, reserved2=vlan)
        sendp(outer / tunnel / inner, iface=interface, verbose=False)
    listen(interface, encapsulate)


def ask(interface, vni, tenant):
    """What comes back when a tenant asks: the outer source MAC and the reserved byte."""
    inner = Ether(src=TENANT_MAC, dst=SERVER_MAC) / IP(src=tenant, dst=SERVER)
    inner = inner / UDP(sport=12345, dport=1000) / (b"X" * 36)
    outer = Ether(src="dc:dc:dc:dc:dc:dc", dst="f1:f1:f1:f1:f1:f1") / IP(src=ROUTER, dst=VTEP)
    frame = outer / UDP(sport=4789, dport=4789, chksum=0) / VXLAN(flags=8, vni=vni) / inner

    def is_answer(answer):
        return (VXLAN in answer and answer[VXLAN].vni == vni and answer[IP].dst == ROUTER
                and answer[VXLAN].payload[IP].dst == tenant)
    sniffer = AsyncSniffer(iface=interface, lfilter=is_answer, count=1,
                           started_callback=lambda: sendp(frame, iface=interface, verbose=False))
    sniffer.start()
    sniffer.join(timeout=10)
    if sniffer.running:
        sys.exit(f"{tenant}: no answer")
    answer = sniffer.results[0]
    return answer.src, answer[VXLAN].reserved2


def tenants(interface):
    for turn, source in (("first", OTR_MAC), ("second", SWITCH_MAC)):
        for vlan, (vni, tenant) in TENANTS.items():
            mac, reserved = ask(interface, vni, tenant)
            way = "tunnel router" if mac == OTR_MAC else "switch"
            print(f"{turn} answer for {tenant} (VNI {vni}) from the {way}", flush=True)
            if (mac, reserved) != (source, vlan if source == OTR_MAC else 0):
                sys.exit(f"{tenant}: {mac} with reserved byte {reserved}, expected {source}")
        # The answers are on their way no longer.
        time.sleep(0.2)


conf.verb = 0
{"server": serve, "otr": route, "tenants": tenants}[sys.argv[1]](sys.argv[2])

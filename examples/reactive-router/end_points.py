"""The machines of demo.sh: `plain INTERFACE` (frames as they are on a wire), `ping HOST
COUNT`, `serve PORT FILE`, `send HOST PORT BYTES`."""
import array
import fcntl
import hashlib
import socket
import struct
import sys
import time

SIOCETHTOOL = 0x8946
# Checksums, scatter-gather, TCP segmentation, generic segmentation, generic receive: all off, for
# a packet socket sees frames before a NIC would complete them.
FEATURES = [0x17, 0x19, 0x1F, 0x24, 0x2C]


def plain(interface):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        for feature in FEATURES:
            value = array.array("B", struct.pack("II", feature, 0))
            address, _ = value.buffer_info()
            request = struct.pack("16sP", interface.encode(), address)
            fcntl.ioctl(control, SIOCETHTOOL, request)


def checksum(data):
    words = struct.unpack(f"!{len(data) // 2}H", data)
    total = sum(words)
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def ping(host, count):
    """Echo requests of 56 bytes, and their answers by the kernel at the other end."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        for number in range(1, count + 1):
            body = struct.pack("!HH", 0x1234, number) + bytes(range(56))
            message = struct.pack("!BBH", 8, 0, checksum(b"\x08\0\0\0" + body)) + body
            start = time.monotonic()
            raw.sendto(message, (host, 0))
            while True:
                left = start + 2 - time.monotonic()
                if left <= 0:
                    sys.exit(f"no answer from {host}")
                raw.settimeout(left)
                try:
                    packet, (peer, _) = raw.recvfrom(65536)
                except TimeoutError:
                    sys.exit(f"no answer from {host}")
                if packet[20] == 0 and packet[24:] == body:
                    break
            spent = (time.monotonic() - start) * 1000
            print(f"{len(packet)} bytes from {peer}: seq={number} ttl={packet[8]} time={spent:.2f} ms")


def serve(port, path):
    with socket.create_server(("", port)) as server:
        print("ready", flush=True)
        connection, peer = server.accept()
        digest, count = hashlib.sha256(), 0
        with connection:
            while data := connection.recv(65536):
                digest.update(data)
                count += len(data)
            connection.sendall(digest.digest())
    with open(path, "w") as file:
        file.write(f"{count} bytes from {peer[0]}\n")


def send(host, port, count):
    data = bytes(i * 7 & 0xFF for i in range(count))
    with socket.create_connection((host, port), timeout=10) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while part := connection.recv(64):
            answer += part
    assert answer == hashlib.sha256(data).digest(), "what arrived is not what was sent"
    print(f"{count} bytes arrived whole")


if __name__ == "__main__":
    what, *arguments = sys.argv[1:]
    if what == "plain":
        plain(arguments[0])
    elif what == "ping":
        ping(arguments[0], int(arguments[1]))
    elif what == "serve":
        serve(int(arguments[0]), arguments[1])
    else:
        send(arguments[0], int(arguments[1]), int(arguments[2]))

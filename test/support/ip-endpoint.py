# A UDP socket that sets and sees IP header fields, told what to do by lines of JSON; see ip-endpoint.ts.
import json
import os
import select
import socket
import sys

host = sys.argv[1]
six = ":" in host
endpoint = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
level = socket.IPPROTO_IPV6 if six else socket.IPPROTO_IP
# Python has no name for IP_RECVTTL (12), and not everywhere one for IP_RECVTOS (13).
TTL, SEEN_TTL = (socket.IPV6_UNICAST_HOPS, socket.IPV6_HOPLIMIT) if six else (socket.IP_TTL, socket.IP_TTL)
TOS, SEEN_TOS = (socket.IPV6_TCLASS, socket.IPV6_TCLASS) if six else (socket.IP_TOS, socket.IP_TOS)
endpoint.setsockopt(level, socket.IPV6_RECVHOPLIMIT if six else 12, 1)
endpoint.setsockopt(level, socket.IPV6_RECVTCLASS if six else 13, 1)
endpoint.bind((host, 0))
print(endpoint.getsockname()[1], flush=True)


def send(order):
    endpoint.setsockopt(level, TTL, order["ttl"])
    endpoint.setsockopt(level, TOS, order["tos"])
    endpoint.sendto(bytes.fromhex(order["hex"]), (order["host"], order["port"]))


def show():
    data, controls, _flags, _source = endpoint.recvmsg(65536, 256)
    seen = {kind: int.from_bytes(value, "little") for _level, kind, value in controls}
    print(json.dumps({"hex": data.hex(), "ttl": seen.get(SEEN_TTL), "tos": seen.get(SEEN_TOS)}), flush=True)


said = b""
while True:
    ready, _, _ = select.select([0, endpoint], [], [])
    if endpoint in ready:
        show()
    if 0 in ready:
        more = os.read(0, 65536)
        if not more:
            break
        *lines, said = (said + more).split(b"\n")
        for line in lines:
            for order in json.loads(line):
                send(order)

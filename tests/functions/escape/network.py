"""The network, and sockets that are none of the network's."""

import array
import os
import socket
import time

from attempt import Refused, collect, first


def _connect(address):
    with socket.create_connection(address, timeout=3):
        return "connected"


def host_listener(event, context):
    """Whatever listens on the host's loopback address."""
    return first([("127.0.0.1", event["port"]), ("::1", event["port"])], _connect)


def front_door(event, context):
    """The server's own port, past the sandbox's entry to it."""
    endpoint = os.environ.get("AWS_ENDPOINT_URL", "")
    if endpoint.endswith(f":{event['server_port']}") and not event["bare"]:
        # The same number inside is the sandbox's own entry; the host's is beyond another address of loopback.
        return first([("127.0.0.2", event["server_port"])], _connect)
    return first([("127.0.0.1", event["server_port"])], _connect)


def metadata(event, context):
    """The addresses from which clouds give credentials away."""
    addresses = [(event.get("metadata_host", "169.254.169.254"), event.get("metadata_port", 80)), ("169.254.170.2", 80),
                 ("fd00:ec2::254", 80)]
    return first(addresses, _connect)


def internet(event, context):
    """Any address beyond the machine, by TCP, UDP and name; in the weakened run one of the host's own."""
    def by_udp(address):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as link:
            link.connect(address)
            link.send(b"x")
            return "sent a datagram"

    target = event.get("beyond", ["198.51.100.1", 53])
    return first([tuple(target)], by_udp)


def abstract_socket(event, context):
    """A socket of the host that has a name and no file, and the descriptor that comes through it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as link:
        link.settimeout(3)
        link.connect("\0" + event["abstract"])
        _, ancillary, _, _ = link.recvmsg(16, socket.CMSG_SPACE(4))
        descriptor = array.array("i", ancillary[0][2][:4])[0]
        return os.read(descriptor, 100).decode()


def forged_credentials(event, context):
    """Tells the other end of a socket that it is root's process 1."""
    import struct

    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    right.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    claimed = struct.pack("iII", 1, 0, 1)
    left.sendmsg([b"x"], [(socket.SOL_SOCKET, 2, claimed)])
    _, ancillary, _, _ = right.recvmsg(16, 256)
    return f"believed: {struct.unpack('iII', ancillary[0][2][:12])}"


def sandboxes_ports(event, context):
    """Listens where other sandboxes' runtimes would look for their events."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        port = int(os.environ["AWS_LAMBDA_RUNTIME_API"].rsplit(":", 1)[1]) if not event["bare"] else event["free_port"]
        listener.bind(("127.0.0.1", port))
        listener.listen()
        return "listens in the platform's place"


def bind_beyond(event, context):
    """Listens on an address of the host, where others could be made to call."""
    with socket.socket() as listener:
        listener.bind((event["address"], 0))
        return "listens on the host's address"


def many_connections(event, context):
    """More connections to the Runtime API than anybody needs, all of them served at once."""
    host, port = os.environ["AWS_LAMBDA_RUNTIME_API"].split(":")
    links, answered = [], 0
    try:
        for _ in range(120):
            link = socket.create_connection((host, int(port)), timeout=3)
            link.sendall(b"GET /ping HTTP/1.1\r\nHost: x\r\n\r\n")
            links.append(link)
        end = time.monotonic() + 1.5
        for link in links:
            link.settimeout(max(0.01, end - time.monotonic()))
            try:
                answered += link.recv(12).startswith(b"HTTP/1.1")
            except TimeoutError:
                continue
    finally:
        for link in links:
            link.close()
    if answered > 64:
        return f"{answered} served at once"
    raise Refused(f"{answered} served at once")


ATTACKS = collect(globals())

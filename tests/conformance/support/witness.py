"""A listener outside that hears which events were handled, and how often.

Logs are not waited for, so a killed server may have lost lines of what was handled; a function that has told this listener
and has its answer, has handled its event.
"""

import collections
import selectors
import socket
import threading

# What the functions under test run: one connection for the life of an environment, a line and an answer for each event.
WITNESSED = """
import socket

witness = None

def lambda_handler(event, context):
    global witness
    if witness is None:
        witness = socket.create_connection(("127.0.0.1", event["port"]), timeout=20)
    witness.sendall(b"%d\\n" % event["n"])
    if witness.recv(1) != b"k":
        witness = None
        raise ConnectionError("the witness has not heard it")
    if event.get("doomed"):
        raise ValueError("this one fails once it has been heard")
"""


class Witness:
    """Counts in one thread; thousands of events a second are nothing to it."""

    def __init__(self):
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        self.port = self._listener.getsockname()[1]
        self.handled = collections.Counter()
        # The same in the order in which it was heard.
        self.heard = []
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._parts = {}
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self):
        while not self._closing.is_set():
            for key, _ in self._selector.select(0.2):
                if key.fileobj is self._listener:
                    connection, _ = self._listener.accept()
                    self._selector.register(connection, selectors.EVENT_READ)
                    self._parts[connection] = b""
                else:
                    self._hear(key.fileobj)

    def _hear(self, connection):
        try:
            heard = connection.recv(65536)
        except OSError:
            heard = b""
        if not heard:
            # A function that is killed in the middle of a line has told nothing.
            self._selector.unregister(connection)
            self._parts.pop(connection)
            connection.close()
            return
        *lines, self._parts[connection] = (self._parts[connection] + heard).split(b"\n")
        for line in lines:
            self.handled[int(line)] += 1
            self.heard.append(int(line))
        try:
            connection.sendall(b"k" * len(lines))
        except OSError:
            pass  # It was killed after it had told: that counts.

    def close(self):
        self._closing.set()
        self._thread.join()
        for connection in list(self._parts):
            connection.close()
        self._selector.close()
        self._listener.close()

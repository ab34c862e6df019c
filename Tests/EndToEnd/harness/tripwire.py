"""A port that must stay silent: for tests of what may be reached."""

import socket
import threading


class Tripwire:
    """A listener on every address of this machine that must never be reached: it counts connections and bytes."""

    def __init__(self) -> None:
        self.connections = 0
        self.bytes = 0
        self._socket = socket.socket(socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET)
        if self._socket.family == socket.AF_INET6:
            self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        self._socket.bind(("", 0))
        self._socket.listen(64)
        self.port = self._socket.getsockname()[1]
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                peer, _ = self._socket.accept()
            except OSError:
                return
            with peer:
                if self._stop.is_set():
                    return
                self.connections += 1
                peer.settimeout(2)
                try:
                    self.bytes += len(peer.recv(65536))
                    peer.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                except OSError:
                    pass

    def close(self) -> None:
        self._stop.set()
        try:
            socket.create_connection(("127.0.0.1", self.port), timeout=2).close()
        except OSError:
            pass
        self._thread.join(5)
        self._socket.close()

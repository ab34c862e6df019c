"""systemd's side of sd_notify(3), for processes that the tests start."""

import os
import socket
import tempfile
import threading
import time
from pathlib import Path


class NotifySocket:
    """A socket for NOTIFY_SOCKET that keeps every message it gets, with the time."""

    def __init__(self) -> None:
        self.folder = tempfile.mkdtemp(prefix="tallypost-notify-")
        self.path = str(Path(self.folder) / "socket")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.path)
        self.messages: list[tuple[float, str]] = []
        self._thread = threading.Thread(target=self._listen, daemon=True)
        self._thread.start()

    def _listen(self) -> None:
        while True:
            try:
                text = self._socket.recv(65536).decode()
            except OSError:
                return
            if text == "close":
                return
            self.messages.append((time.monotonic(), text))

    def lines(self, after: int = 0) -> list[str]:
        """Every assignment so far (`READY=1`), in order; of the messages from number `after` on."""
        return [line for _, text in list(self.messages)[after:] for line in text.splitlines()]

    def close(self) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as last:
            last.sendto(b"close", self.path)
        self._thread.join(timeout=5)
        self._socket.close()
        os.unlink(self.path)
        os.rmdir(self.folder)

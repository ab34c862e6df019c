"""Free ports of 127.0.0.1."""

import socket


def free_port() -> int:
    """A port that nobody listens on at this moment. Another process may take it before the caller does."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def closed_port() -> tuple[int, socket.socket]:
    """A port on which every connection is refused, for as long as the caller keeps the socket (bound, not listening)."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder.getsockname()[1], holder

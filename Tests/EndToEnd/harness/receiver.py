"""A receiver of callbacks: HTTP/1.1 on 127.0.0.1, fast, and as ill-behaved as a test asks for.

It speaks HTTP by itself, because what it has to do (reset in the middle, never stop, break the rules) no server library
allows, and because it must show a request's bytes as they came.
"""

import asyncio
import json
import re
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

REASONS = {200: "OK", 201: "Created", 204: "No Content", 302: "Found", 410: "Gone", 500: "Internal Server Error"}


@dataclass(slots=True)
class Request:
    """One request as it came."""

    at: float
    path: str
    headers: list[tuple[str, str]]
    body: bytes
    # Which connection, and the how manieth request on it.
    connection: int
    number: int
    # The status that was written, and when; None while (or if) there is none.
    answered: int | None = None
    answered_at: float | None = None

    def all(self, name: str) -> list[str]:
        """Every value of a header."""
        return [value for found, value in self.headers if found.lower() == name.lower()]

    def header(self, name: str) -> str | None:
        """The value of a header that may stand there once."""
        values = self.all(name)
        assert len(values) <= 1, f"{name} stands there {len(values)} times"
        return values[0] if values else None

    @property
    def key(self) -> str:
        """The idempotency key, unquoted."""
        text = self.header("Idempotency-Key") or ""
        if text.startswith('"'):
            text = re.sub(r"\\(.)", r"\1", text[1:-1])
        return text

    @property
    def task(self) -> int:
        return int(self.header("Tallypost-Task-Id") or 0)

    @property
    def attempt(self) -> int:
        return int(self.header("Tallypost-Task-Attempt") or 0)


class Behaviour:
    """What the receiver does with one request."""

    async def act(self, connection: "Connection", request: Request) -> None:
        raise NotImplementedError


@dataclass
class Answer(Behaviour):
    """An ordinary answer, after `delay` seconds."""

    status: int = 200
    body: bytes = b'{"ok":true}'
    headers: dict[str, str] = field(default_factory=dict)
    delay: float = 0
    # Closes the connection after the answer, without having said so.
    then_close: bool = False

    def __post_init__(self) -> None:
        body = b"" if self.status == 204 else self.body
        head = f"HTTP/1.1 {self.status} {REASONS.get(self.status, 'Status')}\r\n"
        head += "".join(f"{name}: {value}\r\n" for name, value in self.headers.items())
        if self.status != 204:
            head += f"Content-Length: {len(body)}\r\n"
        self.bytes = head.encode("latin-1") + b"\r\n" + body

    def write(self, connection: "Connection", request: Request) -> None:
        if not connection.is_open:
            return
        connection.transport.write(self.bytes)
        request.answered, request.answered_at = self.status, time.monotonic()
        if self.then_close:
            connection.transport.close()

    async def act(self, connection: "Connection", request: Request) -> None:
        await asyncio.sleep(self.delay)
        self.write(connection, request)


class Hang(Behaviour):
    """Never answers, and keeps the connection."""

    async def act(self, connection: "Connection", request: Request) -> None:
        await connection.closed.wait()


@dataclass
class Gate(Behaviour):
    """Holds its requests until the test opens it; then answers them."""

    answer: Answer = field(default_factory=Answer)

    def __post_init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._event = asyncio.Event()

    def open(self) -> None:
        if self._loop is None:
            self._event.set()
        else:
            self._loop.call_soon_threadsafe(self._event.set)

    async def act(self, connection: "Connection", request: Request) -> None:
        self._loop = asyncio.get_running_loop()
        await self._event.wait()
        self.answer.write(connection, request)


@dataclass
class Drip(Behaviour):
    """A status line at once (or not), and then one byte every `interval` seconds."""

    interval: float = 1
    head_first: bool = True

    async def act(self, connection: "Connection", request: Request) -> None:
        text = b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        if self.head_first:
            connection.transport.write(text)
            text = b""
        text += b"x" * 100_000
        for byte in text:
            if not connection.is_open:
                return
            connection.transport.write(bytes([byte]))
            await asyncio.sleep(self.interval)


@dataclass
class Reset(Behaviour):
    """Takes the whole request, writes `first`, and resets the connection."""

    first: bytes = b""

    async def act(self, connection: "Connection", request: Request) -> None:
        if self.first:
            connection.transport.write(self.first)
            # Lets the bytes leave before the reset overtakes them.
            await asyncio.sleep(0.05)
        connection.reset()


class Close(Behaviour):
    """Takes the whole request and closes the connection without a word."""

    async def act(self, connection: "Connection", request: Request) -> None:
        connection.transport.close()


@dataclass
class Flood(Behaviour):
    """Writes `first`, then `block` for ever, as fast as it is taken."""

    first: bytes
    block: bytes

    async def act(self, connection: "Connection", request: Request) -> None:
        connection.transport.write(self.first)
        while connection.is_open:
            connection.transport.write(self.block)
            connection.sent += len(self.block)
            await connection.writable.wait()
            await asyncio.sleep(0)


def endless_body() -> Flood:
    """A chunked body without an end."""
    return Flood(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4000\r\n" + b"x" * 0x4000 + b"\r\n")


def header_flood() -> Flood:
    """Headers without an end."""
    return Flood(b"HTTP/1.1 200 OK\r\n", b"".join(b"X-Flood-%d: %s\r\n" % (number, b"y" * 200) for number in range(60)))


def interim_flood() -> Flood:
    """Interim answers without an end."""
    return Flood(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 200)


@dataclass
class Raw(Behaviour):
    """Writes these bytes, whatever they are, and closes."""

    text: bytes

    async def act(self, connection: "Connection", request: Request) -> None:
        connection.transport.write(self.text)
        connection.transport.close()


Script = Behaviour | list | Callable[[Request], Behaviour]


class Connection(asyncio.Protocol):
    """One connection: reads requests one after the other and lets the receiver's script answer."""

    def __init__(self, receiver: "Receiver") -> None:
        self.receiver = receiver
        self.buffer = bytearray()
        self.number = 0
        self.sent = 0
        self.is_open = True
        self.tasks: set[asyncio.Task] = set()

    def connection_made(self, transport: asyncio.Transport) -> None:
        self.transport = transport
        self.closed = asyncio.Event()
        self.writable = asyncio.Event()
        self.writable.set()
        self.receiver.accepted += 1
        self.id = self.receiver.accepted
        self.receiver.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self.is_open = False
        self.closed.set()
        self.writable.set()
        self.receiver.connections.discard(self)

    def pause_writing(self) -> None:
        self.writable.clear()

    def resume_writing(self) -> None:
        self.writable.set()

    def reset(self) -> None:
        """Ends the connection with a RST."""
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        self.receiver.bytes_read += len(data)
        self.buffer += data
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            lines = self.buffer[:end].decode("latin-1").split("\r\n")
            headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines[1:])]
            length = next((int(value) for name, value in headers if name.lower() == "content-length"), 0)
            if len(self.buffer) < end + 4 + length:
                return
            body = bytes(self.buffer[end + 4 : end + 4 + length])
            del self.buffer[: end + 4 + length]
            self.number += 1
            request = Request(time.monotonic(), lines[0].split(" ")[1], headers, body, self.id, self.number)
            self.receiver.requests.append(request)
            behaviour = self.receiver.behaviour(request)
            if isinstance(behaviour, Answer) and behaviour.delay == 0:
                behaviour.write(self, request)
            else:
                task = asyncio.get_running_loop().create_task(behaviour.act(self, request))
                self.tasks.add(task)
                task.add_done_callback(self.tasks.discard)


class Receiver:
    """The server, on a thread of its own. `requests` only ever grows."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections: set[Connection] = set()
        self.accepted = 0
        self.bytes_read = 0
        self._scripts: dict[str, Script] = {}
        self._default: Script = Answer()
        self._scheme = "https" if tls else "http"
        self._tls = tls
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(10), "the receiver did not start"

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        listening = socket.socket()
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(("127.0.0.1", 0))
        self.port = listening.getsockname()[1]
        self._server = self._loop.run_until_complete(
            self._loop.create_server(lambda: Connection(self), sock=listening, backlog=4096, ssl=self._tls))
        started.set()
        self._loop.run_forever()

    def close(self) -> None:
        async def end() -> None:
            self._server.close()
            for connection in list(self.connections):
                connection.transport.abort()
            for task in asyncio.all_tasks():
                if task is not asyncio.current_task():
                    task.cancel()
            await asyncio.sleep(0)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    # What it does.

    def on(self, path: str, script: Script) -> str:
        """What to do with requests for `path` from now on: one behaviour, a list of them (the last one stays), or a
        function of the request. Returns the path's URL."""
        self._scripts[path] = list(script) if isinstance(script, list) else script
        return self.url(path)

    def always(self, script: Script) -> None:
        """What to do with every request whose path has nothing of its own."""
        self._default = script

    def behaviour(self, request: Request) -> Behaviour:
        script = self._scripts.get(request.path, self._default)
        if isinstance(script, list):
            script = script.pop(0) if len(script) > 1 else script[0]
        return script if isinstance(script, Behaviour) else script(request)

    @property
    def origin(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self.port}"

    def url(self, path: str = "/tasks") -> str:
        return self.origin + path

    # What it got.

    def got(self, path: str | None = None, key: str | None = None) -> list[Request]:
        """Requests so far, in the order of their arrival."""
        return [
            request for request in list(self.requests)
            if (path is None or request.path == path) and (key is None or request.key == key)
        ]

    def counts(self) -> Counter[str]:
        """How many requests each key had."""
        return Counter(request.key for request in list(self.requests))

    def one(self, path: str | None = None, key: str | None = None) -> Request:
        """The only request of its kind."""
        found = self.got(path, key)
        assert len(found) == 1, f"{len(found)} requests for path {path}, key {key}"
        return found[0]


def json_body(value: object, status: int = 200) -> Answer:
    """An answer with a JSON body."""
    return Answer(status, json.dumps(value).encode(), {"Content-Type": "application/json"})

#!/usr/bin/env python3
"""A receiver of Tallypost's callbacks, with nothing but Python's standard library (3.9 or newer).

It shows what a receiver owes: verify the signature, parse the idempotency key, have the effect and keep the key in one transaction,
answer 2xx only when that is committed, and answer a known key as the first time without doing anything. The effect here is a row in
`effects`; put yours in its place, in the same transaction.

    receiver.py --port 8080 --secret whsec_… [--secret whsec_OLD …] --database inbox.db
    receiver.py --vectors vectors.json        checks its reading of requests against the test vectors, and ends
"""

import argparse
import base64
import binascii
import hashlib
import hmac
import json
import re
import signal
import socket
import sqlite3
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOLERANCE = 300  # seconds between the sender's clock and ours (Standard Webhooks)
LONGEST_BODY = 1 << 20


class Refused(Exception):
    """A request that cannot be taken, with the status that says so."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


# Reading a request: no state, no clock but the one given.


def read_secret(text: str) -> bytes:
    """The key of `whsec_…`; `@FILE` names a file that holds it, which `ps` does not show."""
    if text.startswith("@"):
        with open(text[1:], encoding="ascii") as file:
            text = file.read()
    text = text.strip()
    text = text[6:] if text.startswith("whsec_") else text
    try:
        key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        key = b""
    if len(key) < 16:
        raise ValueError("a secret is whsec_ and the base64 of at least 16 bytes, or @FILE")
    return key


def verify(headers, body: bytes, secrets: list, now: float) -> None:
    """Standard Webhooks: any of our secrets with any of the signatures, so that either side can rotate first."""
    id, timestamp, signatures = (headers.get(f"webhook-{name}") for name in ("id", "timestamp", "signature"))
    if not id or not timestamp or not signatures:
        raise Refused(401, "webhook-id, webhook-timestamp or webhook-signature is missing")
    if not re.fullmatch(r"[0-9]{1,12}", timestamp):
        raise Refused(401, "webhook-timestamp is no number of seconds")
    if abs(now - int(timestamp)) > TOLERANCE:
        raise Refused(401, f"webhook-timestamp is more than {TOLERANCE} s away from this clock")
    signed = f"{id}.{timestamp}.".encode("latin-1") + body
    for secret in secrets:
        expected = base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest())
        for entry in signatures.split(" "):
            version, _, value = entry.partition(",")
            if version == "v1" and hmac.compare_digest(expected, value.encode("latin-1")):
                return
    raise Refused(401, "no signature is by a secret of ours")


def idempotency_key(value) -> str:
    """A String of RFC 8941, `"payment-o_1"`, perhaps with parameters; or the key as it is, from a route with `"bare"`."""
    if not value:
        raise Refused(400, "Idempotency-Key is missing")
    value = value.strip(" \t")
    if not value.startswith('"'):
        if not re.fullmatch(r"[\x20-\x7e]+", value):
            raise Refused(400, "Idempotency-Key is no printable ASCII")
        return value
    match = re.fullmatch(r'"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"(?: *;[\x20-\x7e]*)?', value)
    if not match:
        raise Refused(400, "Idempotency-Key is no String of RFC 8941")
    return re.sub(r"\\(.)", r"\1", match[1])


# Deduplication and effect: one transaction.


class Inbox:
    """Keys that were seen, with their answers, in a SQLite database; one connection for each thread."""

    SCHEMA = """
        CREATE TABLE IF NOT EXISTS inbox (
            idempotency_key TEXT PRIMARY KEY, answer TEXT NOT NULL, received_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
        CREATE TABLE IF NOT EXISTS effects (
            id INTEGER PRIMARY KEY, idempotency_key TEXT NOT NULL, task_type TEXT, body TEXT NOT NULL);
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.local = threading.local()
        self.connection().executescript(self.SCHEMA)

    def connection(self) -> sqlite3.Connection:
        if not hasattr(self.local, "connection"):
            connection = sqlite3.connect(self.path, timeout=5, isolation_level=None)
            connection.execute("PRAGMA journal_mode = WAL")
            # A commit is on the disk before it is answered.
            connection.execute("PRAGMA synchronous = FULL")
            self.local.connection = connection
        return self.local.connection

    def close(self) -> None:
        if hasattr(self.local, "connection"):
            self.local.connection.close()
            del self.local.connection

    def take(self, key: str, task_type, body: bytes):
        """The answer, and whether it is a repeated one."""
        connection = self.connection()
        connection.execute("BEGIN IMMEDIATE")
        try:
            known = connection.execute("SELECT answer FROM inbox WHERE idempotency_key = ?", (key,)).fetchone()
            if known:
                connection.execute("ROLLBACK")
                return known[0], True
            # The effect. Whatever it is, it is in this transaction, or it is not exactly once.
            effect = connection.execute(
                "INSERT INTO effects (idempotency_key, task_type, body) VALUES (?, ?, ?)",
                (key, task_type, body.decode("utf-8", "replace"))).lastrowid
            answer = json.dumps({"effect": effect})
            connection.execute("INSERT INTO inbox (idempotency_key, answer) VALUES (?, ?)", (key, answer))
            connection.execute("COMMIT")
            return answer, False
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    wbufsize = -1  # head and body in one packet

    def setup(self) -> None:
        super().setup()
        with self.server.lock:
            self.server.connections.add(self.connection)

    def finish(self) -> None:
        with self.server.lock:
            self.server.connections.discard(self.connection)
        self.server.inbox.close()
        super().finish()

    def do_POST(self) -> None:
        try:
            body = self.read_body()
            if self.server.secrets:
                verify(self.headers, body, self.server.secrets, time.time())
            key = idempotency_key(self.headers.get("Idempotency-Key"))
            answer, replayed = self.server.inbox.take(key, self.headers.get("Tallypost-Task-Type"), body)
        except Refused as refusal:
            # A 4xx ends the task as failed: a person has to look. Nothing has happened here.
            self.reply(refusal.status, json.dumps({"error": str(refusal)}))
        except ConnectionError:
            self.close_connection = True
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing is committed: try again
            self.log_error("%r", error)
            self.reply(503, json.dumps({"error": "not now"}), ("Retry-After", "1"))
        else:
            self.reply(200, answer, *([("Idempotent-Replayed", "true")] if replayed else []))

    def read_body(self) -> bytes:
        length = self.headers.get("Content-Length") or ""
        if not re.fullmatch(r"[0-9]{1,12}", length):
            self.close_connection = True
            raise Refused(411, "Content-Length is missing")
        if int(length) > LONGEST_BODY:
            self.close_connection = True
            raise Refused(413, f"the body is longer than {LONGEST_BODY} bytes")
        body = self.rfile.read(int(length))
        if len(body) < int(length):
            raise ConnectionError("the request was cut off")
        return body

    def reply(self, status: int, body: str, *headers) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body.encode())))
        for name, value in headers:
            self.send_header(name, value)
        if self.server.stopping:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body.encode())

    def log_request(self, code="-", size="-") -> None:
        """Nothing: a line for each request would cost more than the request."""


class Server(ThreadingHTTPServer):
    daemon_threads = False  # closing waits for what is under way
    request_queue_size = 128

    def __init__(self, address, inbox: Inbox, secrets: list) -> None:
        self.inbox, self.secrets = inbox, secrets
        self.stopping = False
        self.lock = threading.Lock()
        self.connections: set = set()
        super().__init__(address, Handler)

    def stop(self) -> None:
        """Takes no new connection, and no new request on the old ones; what was read whole is answered."""
        self.stopping = True
        self.shutdown()
        with self.lock:
            for connection in self.connections:
                try:
                    connection.shutdown(socket.SHUT_RD)
                except OSError:
                    pass  # gone already


def check(path: str) -> int:
    """Reads the test vectors as requests are read."""
    with open(path, encoding="utf-8") as file:
        vectors = json.load(file)
    faults = []

    def expect(name: str, holds: bool) -> None:
        if not holds:
            faults.append(name)

    def refuses(call, *arguments) -> bool:
        try:
            call(*arguments)
        except Refused:
            return True
        return False

    for request in vectors["requests"]:
        headers = {name.lower(): value for name, value in request["headers"].items()}
        body, now = request["body"].encode(), request["now"]
        for text in request["secrets"]:
            expect(request["name"], not refuses(verify, headers, body, [read_secret(text)], now))
        other = [b"another secret, of 32 bytes, none"]
        expect(f"{request['name']}: another secret", refuses(verify, headers, body, other, now))
        secrets = [read_secret(text) for text in request["secrets"]]
        expect(f"{request['name']}: another body", refuses(verify, headers, body + b" ", secrets, now))
        for late in (-TOLERANCE - 1, TOLERANCE + 1):
            expect(f"{request['name']}: {late} s", refuses(verify, headers, body, secrets, now + late))
        expect(f"{request['name']}: key", idempotency_key(headers["idempotency-key"]) == request["idempotencyKey"])
    for vector in vectors["idempotencyKeys"]:
        for format in ("structured", "bare"):
            if vector.get(format) is not None:
                expect(f"key {vector[format]}", idempotency_key(vector[format]) == vector["key"])
    for value in vectors["noIdempotencyKeys"]:
        expect(f"key {value!r} is taken", refuses(idempotency_key, value))
    for fault in faults:
        print(f"wrong: {fault}", file=sys.stderr)
    print(f"{len(vectors['requests'])} requests, {len(vectors['idempotencyKeys'])} keys: {len(faults)} wrong")
    return 1 if faults else 0


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8080, help="0: any that is free; it is printed")
    options.add_argument("--secret", action="append", default=[], type=read_secret, metavar="whsec_…|@FILE",
                         help="again for each secret that is still good; without one, nothing is verified")
    options.add_argument("--database", default="inbox.db")
    options.add_argument("--vectors", metavar="FILE")
    told = options.parse_args()
    if told.vectors:
        return check(told.vectors)
    server = Server((told.host, told.port), Inbox(told.database), told.secret)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: threading.Thread(target=server.stop).start())
    print(f"listening on {server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=0.1)
    server.server_close()  # waits for the threads
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Receivers that behave badly cost one attempt and no memory, and hold up nobody else."""

import ssl
import subprocess
import time

import pytest
from harness.database import Database
from harness.ports import closed_port
from harness.receiver import (
    Answer, Close, Drip, Hang, Raw, Receiver, Reset, endless_body, header_flood, interim_flood)
from harness.routes import route
from harness.waiting import eventually

# How it behaves, what becomes of a task with one attempt, and a word that its reason must hold.
HOSTILE = {
    "never-answers": (Hang(), "failed", "no answer within"),
    "drips-a-head": (Drip(head_first=False), "failed", "within"),
    "drips-a-body": (Drip(head_first=True), "failed", "within"),
    "resets": (Reset(), "failed", "connection"),
    "resets-in-the-head": (Reset(b"HTTP/1.1 200 OK\r\nContent-"), "failed", ""),
    "resets-in-the-body": (Reset(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "failed", ""),
    "ends-in-the-body": (Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"), "failed", "broke off"),
    "closes": (Close(), "failed", "closed"),
    "is-not-http": (Raw(b"SSH-2.0-OpenSSH_9.2p1\r\n"), "failed", "HTTP"),
    "floods-headers": (header_flood(), "failed", "headers"),
    "floods-interim-answers": (interim_flood(), "failed", "headers"),
    # It has said its status: over-long or not, that is a success.
    "endless-body": (endless_body(), "completed", None),
}


def test_bad_receivers_cost_one_attempt_and_no_memory_and_hold_up_nobody(
    database: Database, receiver: Receiver, relay
) -> None:
    # A receiver each: they are destinations of their own, and each gets fewer requests than open a breaker.
    bad = {name: Receiver() for name in HOSTILE}
    routes = {name: route(bad[name].on(f"/{name}", behaviour), timeoutSeconds=3) for name, (behaviour, _, _) in HOSTILE.items()}
    running = relay(database, routes={**routes, "good": route(receiver.url("/good"))}).start()
    # Its working size, before any of them.
    database.insert_many(200, "first", type="good")
    eventually(lambda: len(receiver.got("/good")) == 200)
    before = running.memory()

    ids = {(name, number): database.insert(type=name, max_attempts=1) for name in HOSTILE for number in range(8)}
    began = time.monotonic()
    database.insert_many(1_000, "meanwhile", type="good")
    eventually(lambda: len(receiver.got("/good")) == 1_200, what=lambda: len(receiver.got("/good")))
    assert bad["never-answers"].got("/never-answers") == [] or time.monotonic() - began < 3, "the good ones did not wait for the bad"

    for (name, _), id in ids.items():
        _, status, word = HOSTILE[name]
        row = eventually(
            lambda: (row := database.row(id))["status"] in ("completed", "failed") and row, 20, lambda: (name, database.row(id)))
        assert (row["status"], row["attempts"]) == (status, 1), (name, row["last_error"])
        if word is not None:
            assert word in row["last_error"], (name, row["last_error"])
    assert {name: len(bad[name].got(f"/{name}")) for name in HOSTILE} == dict.fromkeys(HOSTILE, 8), "no request twice"
    assert running.memory() - before < 48 << 20, f"from {before >> 20} to {running.memory() >> 20} MiB"
    for made in bad.values():
        made.close()


def test_a_connection_that_dies_between_requests_never_sends_one_twice(database: Database, receiver: Receiver, relay) -> None:
    # Every second request of a connection is taken whole, and the connection closed without an answer: a client that sends
    # again by itself would do so under the same attempt.
    receiver.always(lambda request: Close() if request.number == 2 else Answer())
    relay(database, routes={"task": route(receiver.url(), concurrency=2, retry={"schedule": ["10ms"]})}).start()
    keys = database.insert_many(100, "k")
    eventually(lambda: database.statuses() == {"completed": 100}, 30, database.statuses)
    attempts = [(request.task, request.attempt) for request in receiver.got()]
    assert len(attempts) == len(set(attempts)), "one request for an attempt"
    assert set(receiver.counts()) == set(keys)
    assert max(attempt for _, attempt in attempts) <= 2, "a retry has a connection of its own"
    assert any(request.number == 2 for request in receiver.got()), "connections were used again"


def test_a_receiver_that_closes_after_every_answer_loses_nothing(database: Database, receiver: Receiver, relay) -> None:
    receiver.always(Answer(then_close=True))
    relay(database, routes={"task": route(receiver.url(), retry={"schedule": ["10ms"]})}).start()
    keys = database.insert_many(200, "k")
    eventually(lambda: database.statuses() == {"completed": 200}, 30, database.statuses)
    assert receiver.counts() == dict.fromkeys(keys, 1)


def test_a_refused_connection_and_an_unknown_name_are_tried_again(database: Database, receiver: Receiver, relay) -> None:
    port, holder = closed_port()
    running = relay(
        database, routes={"refused": route(f"http://127.0.0.1:{port}/"), "nowhere": route("http://nowhere.invalid/"), "good": route(receiver.url())},
    ).start()
    refused = database.insert(type="refused", max_attempts=3)
    nowhere = database.insert(type="nowhere", max_attempts=2)
    good = database.insert(type="good")
    eventually(lambda: database.status(good) == "completed")
    row = eventually(lambda: (row := database.row(refused))["status"] == "failed" and row)
    assert row["attempts"] == 3 and "refused" in row["last_error"]
    row = eventually(lambda: (row := database.row(nowhere))["status"] == "failed" and row, 30)
    assert row["attempts"] == 2 and "nowhere.invalid" in row["last_error"]
    assert running.is_running
    holder.close()


@pytest.fixture
def certificate(tmp_path) -> tuple[str, str]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    paths = str(tmp_path / "certificate.pem"), str(tmp_path / "key.pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=receiver", "-addext",
         "subjectAltName=IP:127.0.0.1", "-out", paths[0], "-keyout", paths[1]], check=True, capture_output=True)
    return paths


def test_tls_is_verified_and_a_route_may_name_its_authority(database: Database, certificate, relay) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    secure = Receiver(tls=context)
    try:
        relay(database, routes={
            "trusting": route(secure.url("/trusted"), tls={"ca": certificate[0]}), "strict": route(secure.url("/strict")),
            "misnamed": route(f"https://localhost:{secure.port}/misnamed", tls={"ca": certificate[0]}),
        }).start()
        trusted = database.insert(type="trusting")
        strict = database.insert(type="strict", max_attempts=2)
        misnamed = database.insert(type="misnamed", max_attempts=1)
        eventually(lambda: database.status(trusted) == "completed", what=lambda: database.row(trusted))
        row = eventually(lambda: (row := database.row(strict))["status"] == "failed" and row)
        assert row["attempts"] == 2 and "TLS" in row["last_error"], "a TLS failure is tried again"
        row = eventually(lambda: (row := database.row(misnamed))["status"] == "failed" and row)
        assert "TLS" in row["last_error"]
        assert [request.path for request in secure.got()] == ["/trusted"]
    finally:
        secure.close()

"""Signals, long work, polling, the API and metrics, on the built program."""

import json
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.console import Console
from harness.database import Database, PostgresDatabase
from harness.postgres import PrivateServer, Scratch
from harness.receiver import Answer, Gate, Receiver
from harness.routes import route
from harness.waiting import eventually


@pytest.fixture
def console(tmp_path) -> Console:
    return Console(tmp_path)


def waiting(database: Database, **columns) -> tuple[int, str]:
    id = database.insert(type="task", wait_for_signal=True, **columns)
    return id, database.value("SELECT signal_token FROM pending_tasks WHERE id = :id", id=id)


def until(database: Database, id: int, status: str) -> dict:
    return eventually(lambda: (row := database.row(id))["status"] == status and row, 20, lambda: database.row(id))


def test_a_signal_ends_the_wait_and_answers_as_the_contract_says(database: Database, receiver: Receiver, relay, console) -> None:
    relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    id, token = waiting(database)
    until(database, id, "waiting")
    (request,) = receiver.got()
    assert request.header("Tallypost-Signal-URL") == f"http://127.0.0.1:{console.public}/v1/signals/{token}"

    body = {"status": "completed", "result": {"receipt": 12345678901234567890, "x": 1.10}}
    first = console.signal(token, body)
    assert first.status == 200, first
    assert database.status(id) == "completed", "committed before the answer"
    again = console.signal(token, json.dumps(body, indent=3))
    assert again.status == 200 and again.body == first.body and again.headers["idempotent-replayed"] == "true"
    assert console.signal(token, {"status": "failed"}).status == 409
    assert "12345678901234567890" in database.row(id)["result"]

    other, token = waiting(database)
    until(database, other, "waiting")
    assert console.call("POST", f"/v1/tasks/{other}/cancel", {"why": "so"}).status == 200
    assert console.signal(token, body).status == 410


def test_a_signal_that_comes_before_the_callback_has_answered_is_not_lost(database: Database, receiver: Receiver, relay, console) -> None:
    gate = Gate(Answer(202))
    receiver.always(gate)
    running = relay(database, routes={"task": route(receiver.url(), timeoutSeconds=1, lease="4s")}, **console.keys).start()
    id, token = waiting(database)
    eventually(lambda: receiver.got())
    assert console.signal(token, {"status": "completed", "result": [1]}).status == 200
    assert database.status(id) == "processing"
    # The relay dies before it has the answer: the next attempt is answered, and the task is done at once.
    running.kill()
    gate.open()
    running.start()
    assert json.loads(until(database, id, "completed")["result"]) == [1]


def test_fifty_parallel_identical_signals_have_one_effect(database: Database, receiver: Receiver, relay, console) -> None:
    relay(database, routes={"task": route(receiver.url("/task"))}, allow=[receiver.url("").rstrip("/")], **console.keys).start()
    id, token = waiting(database, on_complete_url=receiver.url("/done"))
    until(database, id, "waiting")
    with ThreadPoolExecutor(50) as pool:
        replies = list(pool.map(lambda _: console.signal(token, {"status": "completed", "result": 1}), range(50)))
    assert [reply.status for reply in replies] == [200] * 50
    assert sum("idempotent-replayed" not in reply.headers for reply in replies) == 1
    eventually(lambda: [request for request in receiver.got() if request.path == "/done"], 15)
    assert database.value("SELECT count(*) FROM task_events WHERE event = 'signal'") == 1
    assert database.value("SELECT count(*) FROM pending_tasks WHERE type = 'tallypost.notice'") == 1


def test_wrong_tokens_get_in_nowhere_and_look_all_the_same(database: Database, receiver: Receiver, relay, console) -> None:
    relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    id, token = waiting(database)
    until(database, id, "waiting")
    wrong = ["0" * 64, "A" * 43, "short", token[:-1] + ("0" if token[-1] != "0" else "1"), token.upper() + "x", "%2e%2e"]
    replies = [console.signal(one, {"status": "completed"}) for one in wrong]
    assert {reply.status for reply in replies} == {404}
    assert len({reply.body for reply in replies}) == 1
    assert len({tuple(sorted((k, v) for k, v in reply.headers.items() if k != "date")) for reply in replies}) == 1
    # Many of them, on kept connections; then the right one at once.
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: console.signal(f"{n:064x}", {"status": "completed"}), range(2_000)))
    assert database.status(id) == "waiting"
    eventually(lambda: console.signal(token, {"status": "completed"}).status == 200, 5)


def test_a_signal_is_never_answered_2xx_while_the_database_is_away(private_server: PrivateServer, receiver: Receiver, relay, tallypost, console) -> None:
    database = PostgresDatabase(Scratch(private_server.url).create())
    tallypost("init", "--database", database.url).good()
    relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    id, token = waiting(database)
    until(database, id, "waiting")
    database.close()
    private_server.stop("immediate")
    reply = console.signal(token, {"status": "completed"})
    assert reply.status == 503 and reply.headers["retry-after"]
    metrics = console.call("GET", "/metrics")
    assert metrics.status == 200
    eventually(lambda: "tallypost_database_up 0" in console.call("GET", "/metrics").body.decode(), 15)
    eventually(lambda: console.ask(console.admin, "GET", "/readyz").status == 503 or console.call("GET", "/readyz").status == 503, 15)
    assert console.ask(console.public, "GET", "/livez").status == 200
    private_server.start()
    eventually(lambda: console.signal(token, {"status": "completed"}).status == 200, 20)
    assert database.status(id) == "completed"
    database.close()


def test_long_work_reports_progress_and_goes_on_from_its_checkpoint(database: Database, receiver: Receiver, relay, console, tallypost) -> None:
    receiver.always(Answer(202))
    relay(database, routes={"task": route(receiver.url(), body="envelope", heartbeatSeconds=1, retry={"base": "10ms", "cap": "20ms"})}, **console.keys).start()
    id, token = waiting(database)
    until(database, id, "waiting")
    reply = console.progress(token, {"progress": {"current": 3, "total": 10}, "checkpoint": {"page": 3, "ü": "€"}})
    assert reply.status == 200 and reply.json == {"cancelRequested": False}
    assert '"current":3' in tallypost("task", "show", str(id), "--database", database.url, "--json").good().out.replace(" ", "")
    # Silence: the attempt has failed, and the next one gets the checkpoint.
    eventually(lambda: len(receiver.got()) == 2, 20, lambda: database.row(id))
    second = receiver.got()[1]
    assert json.loads(second.body)["checkpoint"] == {"page": 3, "ü": "€"}
    assert json.loads(second.header("Tallypost-Checkpoint")) == {"page": 3, "ü": "€"} and second.header("Tallypost-Checkpoint").isascii()
    assert "heartbeat" in database.attempts(id)[0]["error"]
    until(database, id, "waiting")
    console.call("POST", f"/v1/tasks/{id}/cancel", {"why": "enough"})
    assert console.progress(token, {}).json == {"cancelRequested": True}


def test_a_wait_that_is_too_long_ends_as_timeout_and_tells(database: Database, receiver: Receiver, relay, console) -> None:
    relay(database, routes={"task": route(receiver.url("/task"), maxWaitSeconds=1)}, allow=[receiver.url("").rstrip("/")], **console.keys).start()
    id, token = waiting(database, on_failure_url=receiver.url("/bad"))
    until(database, id, "timeout")
    eventually(lambda: [request for request in receiver.got() if request.path == "/bad"], 15)
    assert console.signal(token, {"status": "completed"}).status == 410


def test_hundreds_of_pollers_are_answered_when_their_task_ends(database: Database, receiver: Receiver, relay, console) -> None:
    gate = Gate()
    receiver.always(gate)
    running = relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    id = database.insert(type="task")
    eventually(lambda: receiver.got())
    threads_before = len(list((running_threads := __import__("pathlib").Path(f"/proc/{running.pid}/task")).iterdir()))
    sockets = []
    for _ in range(300):
        one = socket.create_connection(("127.0.0.1", console.admin))
        one.sendall(f"GET /v1/tasks/{id}?wait=30 HTTP/1.1\r\nHost: 127.0.0.1:{console.admin}\r\nAuthorization: Bearer test-admin-token\r\n\r\n".encode())
        sockets.append(one)
    assert console.call("GET", f"/v1/tasks/{id}").json["task"]["status"] == "processing"
    assert len(list(running_threads.iterdir())) == threads_before
    gate.open()
    for one in sockets:
        one.settimeout(10)
        data = b""
        while b"\r\n\r\n" not in data:
            data += one.recv(65536)
        assert data.startswith(b"HTTP/1.1 200"), data[:200]
        assert b'"completed"' in data or b'"completed"' in one.recv(65536)
        one.close()


def test_the_api_lists_shows_creates_retries_and_cancels(database: Database, receiver: Receiver, relay, console) -> None:
    receiver.always(lambda request: Answer(400) if request.key.startswith("bad") else Answer())
    relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    assert console.ask(console.admin, "GET", "/v1/tasks").status == 401
    made = console.call("POST", "/v1/tasks", '{"type":"task","payload":{"n": 1.10},"subject":"o_1","amount_minor":4200,"currency":"EUR"}', Idempotency_Key='"api-1"')
    assert made.status == 201, made
    id = made.json["id"]
    assert database.row(id)["payload"] == '{"n": 1.10}' and database.row(id)["idempotency_key"] == "api-1"
    again = console.call("POST", "/v1/tasks", '{"type":"task","payload":{"n": 1.10},"subject":"o_1","amount_minor":4200,"currency":"EUR"}', Idempotency_Key='"api-1"')
    assert again.status == 200 and again.json["id"] == id and again.headers["idempotent-replayed"] == "true"
    until(database, id, "completed")
    bad = [database.insert(type="task", idempotency_key=f"bad-{n}") for n in range(5)]
    eventually(lambda: database.statuses() == {"completed": 1, "failed": 5}, 15, database.statuses)
    page = console.call("GET", "/v1/tasks?status=failed&limit=3").json
    assert [task["id"] for task in page["tasks"]] == bad[:3] and page["next"]
    rest = console.call("GET", f"/v1/tasks?status=failed&limit=3&cursor={page['next']}").json
    assert [task["id"] for task in rest["tasks"]] == bad[3:] and rest["next"] is None
    assert "signal_token" not in page["tasks"][0]
    assert console.call("POST", "/v1/tasks/retry", {"filter": {"status": "failed", "type": "task"}, "dryRun": True}).json["count"] == 5
    assert database.statuses() == {"completed": 1, "failed": 5}
    assert console.call("POST", f"/v1/tasks/{bad[0]}/retry", {"why": "again"}).status == 200
    assert console.call("GET", "/v1/tasks/999999").status == 404
    for reply in (console.call("GET", "/v1/tasks?status=odd"), console.call("GET", "/v1/tasks?limit=x"), console.call("POST", "/v1/tasks", "{")):
        assert reply.status == 400 and reply.headers["content-type"].startswith("application/problem+json"), reply
        assert reply.json["status"] == 400 and reply.json["detail"]


def test_a_pause_reaches_every_relay_and_survives_a_restart(database: Database, receiver: Receiver, relay, console) -> None:
    first = relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    second = relay(database, routes={"task": route(receiver.url())}).start()
    assert console.call("POST", "/v1/routes/task/pause", {"why": "maintenance"}).status == 200
    id = database.insert(type="task")
    first.kill()
    first.start()
    routes = console.call("GET", "/v1/routes").json
    assert "maintenance" in json.dumps(routes)
    assert database.status(id) == "pending" and receiver.got() == []
    assert console.call("POST", "/v1/routes/task/resume", {"why": "over"}).status == 200
    until(database, id, "completed")
    assert second.stop() == 0


def test_metrics_say_what_happened(database: Database, receiver: Receiver, relay, console) -> None:
    receiver.always(lambda request: Answer(400) if request.key == "bad" else Answer())
    relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    database.insert(type="task", idempotency_key="bad")
    database.insert_many(20, "k")
    database.insert(type="task", run_at=database.later(3600))
    eventually(lambda: database.statuses() == {"completed": 20, "failed": 1, "pending": 1}, 20)

    def sample(name: str) -> float | None:
        for line in console.call("GET", "/metrics").body.decode().splitlines():
            if line.startswith(name + " "):
                return float(line.rsplit(" ", 1)[1])
        return None

    eventually(lambda: sample('tallypost_tasks_finished_total{type="task",status="completed"}') == 20, 15,
               lambda: console.call("GET", "/metrics").body.decode())
    assert sample('tallypost_tasks_finished_total{type="task",status="failed"}') == 1
    eventually(lambda: sample('tallypost_tasks_pending{type="task"}') == 1, 15)
    assert sample("tallypost_database_up") == 1
    assert sample('tallypost_attempt_duration_seconds_count{type="task"}') == 21


@pytest.mark.parametrize("request_bytes", [
    b"POST /v1/signals/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
    b"POST /v1/signals/x HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    b"GET /livez HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /livez%00x HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /livez HTTP/1.1\r\n\r\n",
    b"nonsense\r\n\r\n",
])
def test_hostile_requests_are_refused_and_their_connection_closed(sqlite, receiver: Receiver, relay, console, request_bytes) -> None:
    relay(sqlite, routes={"task": route(receiver.url())}, **console.keys).start()
    with socket.create_connection(("127.0.0.1", console.public), timeout=10) as one:
        one.sendall(request_bytes)
        data = b""
        while chunk := one.recv(65536):
            data += chunk
    assert re.match(rb"HTTP/1.[01] 4\d\d", data) or data == b"", data[:200]
    assert console.ask(console.public, "GET", "/livez").status == 200

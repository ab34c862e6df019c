"""Several tasks in one request: what arrives, and what becomes of each of them."""

import json
from collections import Counter

from harness.database import Database
from harness.receiver import Answer, Gate, Receiver, Request, json_body
from harness.routes import route
from harness.waiting import eventually
from standardwebhooks.webhooks import Webhook
from test_headers import a_secret, webhook_headers


def items(request: Request) -> list[dict]:
    body = json.loads(request.body)
    assert isinstance(body, list) and body, request.body
    return body


def keys(request: Request) -> list[str]:
    return [item["idempotency_key"] for item in items(request)]


def test_a_backlog_arrives_as_few_requests_each_signed_as_a_whole(database: Database, receiver: Receiver, relay) -> None:
    wanted = database.insert_many(250, "k", subject="o_1")
    secret = a_secret()
    options = {"batch": {"max": 100, "wait": "300ms"}, "secrets": ["env:KEY"]}
    relay(database, routes={"task": route(receiver.url(), **options)}, environment={"KEY": secret}).start()
    eventually(lambda: database.statuses() == {"completed": 250}, 20, database.statuses)

    requests = receiver.got()
    assert [len(items(request)) for request in requests] == [100, 100, 50]
    assert sorted(key for request in requests for key in keys(request)) == sorted(wanted)
    for request in requests:
        Webhook(secret).verify(request.body.decode(), webhook_headers(request))
        assert request.header("Idempotency-Key") == f'"{request.header("webhook-id")}"'
        assert request.header("Tallypost-Task-Id") is None and request.header("Tallypost-Task-Type") == "task"
    assert len({request.key for request in requests}) == 3
    first = items(requests[0])[0]
    row = next(row for row in database.rows() if row["idempotency_key"] == first["idempotency_key"])
    assert first["task"] == {"id": row["id"], "type": "task", "subject": "o_1", "attempt": 1}
    assert "payload" in first and row["result"] is not None


def test_a_few_tasks_wait_for_company_and_then_leave_together(database: Database, receiver: Receiver, relay) -> None:
    relay(database, routes={"task": route(receiver.url(), batch={"max": 10, "wait": "500ms"})}).start()
    for number in range(3):
        database.insert(type="task", idempotency_key=f"k-{number}", payload=json.dumps({"n": number}))
    eventually(lambda: database.statuses() == {"completed": 3}, 15, database.statuses)
    assert [keys(request) for request in receiver.got()] == [["k-0", "k-1", "k-2"]]
    assert [item["payload"] for item in items(receiver.got()[0])] == [{"n": 0}, {"n": 1}, {"n": 2}]


def test_the_answer_fails_single_items_and_a_bad_row_spoils_none(database: Database, receiver: Receiver, relay) -> None:
    def script(request: Request):
        failed = [key for key in keys(request) if key == "stubborn" or (key == "once" and receiver.attempt_of(request, key) == 1)]
        return json_body({"failed": [{"idempotency_key": key, "error": "no stock"} for key in failed]})

    receiver.attempt_of = lambda request, key: next(i["task"]["attempt"] for i in items(request) if i["idempotency_key"] == key)
    receiver.always(script)
    ids = {key: database.insert(type="task", idempotency_key=key) for key in ("good", "stubborn", "once")}
    late = database.insert(type="task", deadline_at=database.later(-60))
    relay(database, routes={"task": route(receiver.url(), maxAttempts=3, batch={"max": 10, "wait": "100ms"})}).start()
    eventually(lambda: database.status(ids["stubborn"]) == "failed", 20, database.statuses)
    eventually(lambda: database.status(ids["once"]) == "completed", 20, database.statuses)

    rows = {key: database.row(id) for key, id in ids.items()}
    assert {key: (row["status"], row["attempts"]) for key, row in rows.items()} == {
        "good": ("completed", 1), "stubborn": ("failed", 3), "once": ("completed", 2)}
    assert "no stock" in rows["stubborn"]["last_error"]
    assert [attempt["response_status"] for attempt in database.attempts(ids["once"])] == [200]
    assert database.status(late) == "timeout"
    assert Counter(key for request in receiver.got() for key in keys(request)) == {"good": 1, "stubborn": 3, "once": 2}


def test_a_relay_killed_between_the_answer_and_its_commit_loses_no_item(database: Database, receiver: Receiver, relay) -> None:
    gate = Gate()
    receiver.always([gate, Answer()])
    wanted = database.insert_many(20, "k")
    routes = {"task": route(receiver.url(), timeoutSeconds=1, lease="4s", batch={"max": 20, "wait": "100ms"})}
    first = relay(database, routes=routes).start()
    eventually(lambda: len(receiver.got()) == 1)
    first.kill()
    gate.open()
    relay(database, routes=routes).start()
    eventually(lambda: database.statuses() == {"completed": 20}, 30, database.statuses)

    assert sorted(keys(receiver.got()[0])) == sorted(wanted)
    again = [key for request in receiver.got()[1:] for key in keys(request)]
    assert sorted(again) == sorted(wanted), "each a second time, under its own key, and no more"
    assert {row["attempts"] for row in database.rows()} == {2}
    if len(receiver.got()) == 2:
        assert receiver.got()[0].key == receiver.got()[1].key, "the same tasks have the same key"


def test_two_relays_batch_from_one_table_and_no_item_goes_twice(database: Database, receiver: Receiver, relay) -> None:
    receiver.always(Answer(delay=0.02))
    relays = [
        relay(
            database, routes={"task": route(receiver.url(), concurrency=4, headers={"X-Relay": name}, batch={"max": 20, "wait": "50ms"})}
        ).start()
        for name in ("a", "b")]
    wanted = database.insert_many(2_000, "k")
    eventually(lambda: database.statuses() == {"completed": 2_000}, 60, database.statuses)
    assert [one.stop() for one in relays] == [0, 0]
    assert Counter(key for request in receiver.got() for key in keys(request)) == dict.fromkeys(wanted, 1)
    assert max(len(items(request)) for request in receiver.got()) <= 20


def test_ordering_keys_hold_and_a_stop_gives_back_what_gathers(database: Database, receiver: Receiver, relay) -> None:
    routes = {"task": route(receiver.url(), batch={"max": 10, "wait": "50ms"})}
    for number in range(15):
        database.insert(type="task", idempotency_key=f"k-{number:02}", ordering_key=f"o-{number % 3}")
    one = relay(database, routes=routes).start()
    eventually(lambda: database.statuses() == {"completed": 15}, 30, database.statuses)
    for request in receiver.got():
        assert len({int(key[2:]) % 3 for key in keys(request)}) == len(keys(request)), "one of each key at a time"
    arrived = [key for request in receiver.got() for key in keys(request)]
    for remainder in range(3):
        mine = [key for key in arrived if int(key[2:]) % 3 == remainder]
        assert mine == sorted(mine)
    assert one.stop() == 0

    patient = relay(database, routes={"task": route(receiver.url(), batch={"max": 10, "wait": "30m"})}).start()
    id = database.insert(type="task")
    eventually(lambda: database.status(id) == "processing")
    assert patient.stop() == 0
    assert (database.status(id), database.row(id)["attempts"]) == ("pending", 0)

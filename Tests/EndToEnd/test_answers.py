"""What an answer does to its task."""

import json
import time
from email.utils import formatdate

import pytest
from harness.database import Database
from harness.receiver import Answer, Gate, Hang, Receiver, json_body
from harness.routes import route
from harness.waiting import eventually

DONE = [200, 201, 202, 204, 206, 299]
TRY_AGAIN = [408, 409, 425, 429, 500, 502, 503, 504, 599]
GIVE_UP = [300, 301, 302, 303, 304, 307, 308, 400, 401, 403, 404, 405, 413, 418, 422, 451]


def final(database: Database, id: int, within: float = 15) -> dict:
    """The task's row, once it has ended."""
    return eventually(
        lambda: (row := database.row(id))["status"] in ("completed", "failed", "timeout", "cancelled") and row, within,
        lambda: database.row(id))


def test_every_status_means_what_the_contract_says(database: Database, receiver: Receiver, relay) -> None:
    # The first answer is the status in the path; what is tried again then gets a 200.
    seen: set[str] = set()

    def script(request):
        if request.path in seen:
            return Answer(200)
        seen.add(request.path)
        return Answer(int(request.path[1:]), headers={"Location": "/elsewhere"})

    receiver.always(script)
    # One path each: target_url, of an allowed origin.
    ids = {
        status: database.insert(type="task", target_url=receiver.url(f"/{status}")) for status in DONE + TRY_AGAIN + GIVE_UP}
    relay(database, routes={"task": route(receiver.url())}, allow=[receiver.origin]).start()

    for status, id in ids.items():
        row = final(database, id)
        attempts = database.attempts(id)
        told = (status, row["status"], row["attempts"], row["response_status"], len(receiver.got(f"/{status}")))
        if status in DONE:
            assert told == (status, "completed", 1, status, 1)
            assert attempts == [], "the row tells it whole"
        elif status in TRY_AGAIN:
            assert told == (status, "completed", 2, 200, 2)
            assert [(a["attempt"], a["response_status"]) for a in attempts] == [(1, status)]
            assert str(status) in attempts[0]["error"]
        else:
            assert told == (status, "failed", 1, status, 1)
            assert str(status) in row["last_error"]
    assert receiver.got("/elsewhere") == [], "no redirect is followed"


def test_an_interim_answer_is_not_the_answer(sqlite, receiver: Receiver, relay) -> None:
    from harness.receiver import Raw

    receiver.on("/tasks", Raw(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"))
    relay(sqlite, routes={"task": route(receiver.url())}).start()
    row = final(sqlite, sqlite.insert(type="task"))
    assert (row["status"], row["response_status"], row["result"]) == ("completed", 200, "{}")


def test_retry_after_is_a_floor_in_seconds_and_as_a_date_and_garbage_is_ignored(
    database: Database, receiver: Receiver, relay
) -> None:
    now = time.time()
    date = {"Date": formatdate(now, usegmt=True), "Retry-After": formatdate(now + 2, usegmt=True)}
    receiver.on("/seconds", [Answer(503, headers={"Retry-After": "1"}), Answer()])
    receiver.on("/date", [Answer(429, headers=date), Answer()])
    receiver.on("/garbage", [Answer(503, headers={"Retry-After": "soon -1"}), Answer()])
    receiver.on("/far", Answer(503, headers={"Retry-After": "999999999"}))
    relay(database, routes={"task": route(receiver.url())}, allow=[receiver.origin]).start()

    # One after the other: each slows the whole destination down.
    for path, least in (("/seconds", 1), ("/date", 2), ("/garbage", 0.05)):
        assert final(database, database.insert(type="task", target_url=receiver.url(path)))["status"] == "completed"
        first, second = receiver.got(path)
        assert least <= second.at - first.answered_at < least + 1.5, path
    # Capped at a day.
    far_id = database.insert(type="task", target_url=receiver.url("/far"))
    far = eventually(lambda: (row := database.row(far_id))["status"] == "pending" and row["attempts"] == 1 and row)
    assert far["response_status"] == 503
    assert database.value(
        "SELECT count(*) AS n FROM pending_tasks WHERE id = :id AND run_at > :low AND run_at <= :high", id=far_id,
        low=database.later(86_400 - 60), high=database.later(86_400)) == 1


def test_tallypost_retry_no_ends_it_whatever_the_status(database: Database, receiver: Receiver, relay) -> None:
    receiver.always(Answer(503, headers={"Tallypost-Retry": "no", "Retry-After": "1"}))
    relay(database, routes={"task": route(receiver.url())}).start()
    row = final(database, database.insert(type="task"))
    assert (row["status"], row["attempts"], row["response_status"]) == ("failed", 1, 503)
    assert "Tallypost-Retry" in row["last_error"]


def test_gone_pauses_the_route_until_it_is_resumed(database: Database, receiver: Receiver, relay, tallypost) -> None:
    receiver.on("/gone", [Answer(410), Answer()])
    running = relay(database, routes={"gone": route(receiver.url("/gone")), "other": route(receiver.url("/other"))}).start()
    first = database.insert(type="gone")
    assert final(database, first)["status"] == "failed"
    eventually(lambda: running.lines("paused"), what="an alert in the log")

    second = database.insert(type="gone")
    listed = eventually(lambda: tallypost("route", "list", "--config", running.config, "--json").good().out)
    assert "gone" in listed and "410" in listed
    # The others go on, and what came after the pause stays where it is.
    others = database.insert_many(20, "other", type="other")
    eventually(lambda: set(others) <= set(receiver.counts()))
    assert database.status(second) == "pending"
    assert len(receiver.got("/gone")) == 1

    tallypost("route", "resume", "gone", "--config", running.config).good()
    assert final(database, second)["status"] == "completed"
    events = database.query("SELECT event FROM task_events")
    assert "resume" in [event["event"] for event in events], "what a person did is kept"


def test_a_route_may_list_other_statuses_to_retry(database: Database, receiver: Receiver, relay) -> None:
    receiver.on("/tasks", [Answer(404), Answer()])
    relay(database, routes={"task": route(receiver.url(), retry={"schedule": ["50ms"], "alsoOn": [404]})}).start()
    row = final(database, database.insert(type="task"))
    assert (row["status"], row["attempts"]) == ("completed", 2)


def test_a_list_of_delays_is_kept_and_exhausted_attempts_are_a_dead_letter(
    database: Database, receiver: Receiver, relay
) -> None:
    receiver.always(Answer(500, b"the receiver's own words"))
    options = {"maxAttempts": 4, "retry": {"schedule": ["200ms", "500ms"]}}
    relay(database, routes={"task": route(receiver.url(), **options)}).start()
    id = database.insert(type="task")
    row = final(database, id)
    assert (row["status"], row["attempts"], row["response_status"]) == ("failed", 4, 500)
    assert "500" in row["last_error"] and "4" in row["last_error"]
    requests = receiver.got()
    for (first, second), delay in zip(zip(requests, requests[1:]), (0.2, 0.5, 0.5), strict=True):
        assert delay <= second.at - first.answered_at < delay + 1.5
    attempts = database.attempts(id)
    assert [(a["attempt"], a["response_status"], a["response_start"]) for a in attempts] == [
        (number, 500, "the receiver's own words") for number in (1, 2, 3, 4)]
    assert all(a["duration_ms"] >= 0 and a["relay"] for a in attempts)


def test_a_row_overrides_attempts_and_timeout(database: Database, receiver: Receiver, relay) -> None:
    receiver.on("/fails", Answer(500))
    receiver.on("/hangs", Hang())
    relay(
        database, routes={"fails": route(receiver.url("/fails")), "hangs": route(receiver.url("/hangs"), timeoutSeconds=30)}).start()
    began = time.monotonic()
    twice = database.insert(type="fails", max_attempts=2)
    quick = database.insert(type="hangs", max_attempts=1, timeout_seconds=1)
    row = final(database, twice)
    assert (row["status"], row["attempts"]) == ("failed", 2)
    row = final(database, quick)
    assert (row["status"], row["attempts"], row["response_status"]) == ("failed", 1, None)
    assert "no answer" in row["last_error"]
    assert 1 <= time.monotonic() - began < 10


def test_zero_attempts_means_for_ever(sqlite, receiver: Receiver, relay) -> None:
    # Not with 500: ten of them would open the destination's breaker.
    receiver.on("/tasks", [Answer(409)] * 20 + [Answer()])
    relay(sqlite, routes={"task": route(receiver.url(), maxAttempts=0, retry={"schedule": ["10ms"]})}).start()
    row = final(sqlite, sqlite.insert(type="task"))
    assert (row["status"], row["attempts"]) == ("completed", 21)


def test_a_task_past_its_deadline_ends_as_timeout(database: Database, receiver: Receiver, relay) -> None:
    # Not with 503: ten of them would open the destination's breaker.
    receiver.always(Answer(409))
    retry = {"schedule": ["200ms"]}
    relay(
        database,
        routes={"task": route(receiver.url("/row"), retry=retry), "short": route(receiver.url("/route"), deadline="1s", retry=retry)},
    ).start()
    over = database.insert(type="task", deadline_at=database.later(-1), idempotency_key="over")
    soon = database.insert(type="task", deadline_at=database.later(1), idempotency_key="soon")
    by_route = database.insert(type="short", idempotency_key="by-route")
    for id in (over, soon, by_route):
        row = final(database, id)
        assert row["status"] == "timeout" and row["last_error"], row
    assert receiver.got(key="over") == [], "not sent after its deadline"
    assert receiver.got(key="soon") and receiver.got(key="by-route")


def test_nothing_is_sent_before_its_time(database: Database, receiver: Receiver, relay) -> None:
    relay(database, routes={"task": route(receiver.url())}).start()
    asked = time.monotonic()
    database.insert(type="task", idempotency_key="later", run_at=database.later(1.5))
    database.insert(type="task", idempotency_key="now")
    eventually(lambda: receiver.got(key="later"))
    # A millisecond of rounding in SQLite's text.
    assert receiver.one(key="later").at - asked >= 1.499
    assert receiver.one(key="later").at - asked < 4
    assert receiver.one(key="now").at < receiver.one(key="later").at


def test_higher_priority_goes_first_and_waiting_makes_up_for_it(database: Database, receiver: Receiver, relay) -> None:
    for key, priority, waited in (("low", -5, 0), ("normal", 0, 0), ("high", 10, 0), ("higher", 20, 0), ("aged", 0, 1_500)):
        database.insert(type="task", idempotency_key=key, priority=priority, run_at=database.later(-waited))
    relay(database, routes={"task": route(receiver.url(), concurrency=1)}).start()
    eventually(lambda: database.statuses() == {"completed": 5}, what=database.statuses)
    # 25 minutes make up for 25 steps.
    assert [request.key for request in receiver.got()] == ["aged", "higher", "high", "normal", "low"]


def test_concurrency_is_kept_and_one_slow_destination_never_holds_another(
    database: Database, receiver: Receiver, relay
) -> None:
    gate = Gate()
    receiver.on("/slow", gate)
    relay(database, routes={"slow": route(receiver.url("/slow"), concurrency=3, timeoutSeconds=20), "fast": route(receiver.url("/fast"))}).start()
    slow = database.insert_many(30, "slow", type="slow")
    eventually(lambda: len(receiver.got("/slow")) == 3)
    fast = database.insert_many(200, "fast", type="fast")
    eventually(lambda: len(receiver.got("/fast")) == 200, what=lambda: len(receiver.got("/fast")))
    assert len(receiver.got("/slow")) == 3, "three at once"
    gate.open()
    eventually(lambda: database.statuses() == {"completed": 230}, what=database.statuses)
    assert receiver.counts() == dict.fromkeys(slow + fast, 1)


def test_the_result_is_kept_as_json(database: Database, receiver: Receiver, relay) -> None:
    receiver.on("/json", json_body({"receipt": "r_1", "ü": 1.5}))
    receiver.on("/text", Answer(200, b"fine, thanks \xff"))
    receiver.on("/long", Answer(200, json.dumps("x" * 200_000).encode()))
    receiver.on("/none", Answer(204))
    relay(database, routes={"task": route(receiver.url())}, allow=[receiver.origin]).start()
    rows = {
        path: final(database, database.insert(type="task", target_url=receiver.url(path)))
        for path in ("/json", "/text", "/long", "/none")}
    assert {row["status"] for row in rows.values()} == {"completed"}
    assert json.loads(rows["/json"]["result"]) == {"receipt": "r_1", "ü": 1.5}
    assert "fine, thanks" in json.loads(rows["/text"]["result"])
    assert 60_000 < len(rows["/long"]["result"]) < 70_000 and "xxx" in json.loads(rows["/long"]["result"])
    assert rows["/none"]["result"] is None

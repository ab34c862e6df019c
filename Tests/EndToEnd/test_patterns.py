"""Notices, chains, groups, subscribers, batches and schedules, on the built program, through crashes and with two relays."""

import json
from collections import Counter

from harness.database import Database
from harness.receiver import Answer, Gate, Receiver
from harness.routes import route
from harness.waiting import eventually


def group(database: Database, key: str, url: str | None = None, fail_fast: bool = False) -> None:
    database.execute(
        "INSERT INTO task_groups (key, on_complete_url, fail_fast) VALUES (:key, :url, :fast)", key=key, url=url, fast=fail_fast)


def bodies(receiver: Receiver, path: str) -> list[dict]:
    return [json.loads(request.body) for request in receiver.got() if request.path == path]


def allowed(receiver: Receiver) -> list[str]:
    """What a row may name as its target."""
    return [receiver.url("").rstrip("/")]


def test_a_notice_tells_how_a_task_ended(database: Database, receiver: Receiver, relay) -> None:
    receiver.always(lambda request: Answer(400, b'{"no":1}') if request.key == "bad" else Answer(body=b'{"receipt":7}'))
    relay(database, routes={"task": route(receiver.url("/task"))}, allow=allowed(receiver)).start()
    urls = {"on_complete_url": receiver.url("/done"), "on_failure_url": receiver.url("/bad")}
    good = database.insert(type="task", idempotency_key="good", payload='{"n":1}', **urls)
    bad = database.insert(type="task", idempotency_key="bad", **urls)
    eventually(lambda: len(bodies(receiver, "/done")) == 2 and len(bodies(receiver, "/bad")) == 1, 15, receiver.got)
    told = {body["task"]["id"]: body for body in bodies(receiver, "/done")}
    assert told[good]["event"] == "task.completed" and told[good]["result"] == {"receipt": 7}
    assert told[good]["task"]["payload"] == {"n": 1} and "signal_token" not in told[good]["task"]
    assert told[bad]["event"] == "task.failed" and bodies(receiver, "/bad")[0]["task"]["id"] == bad


def test_a_notice_survives_a_crash_and_has_retries_of_its_own(database: Database, receiver: Receiver, relay) -> None:
    fails = Counter()

    def behave(request):
        if request.path != "/done":
            return Answer()
        fails[request.key] += 1
        # Few enough at once that the destination's breaker stays shut.
        fails["all"] += 1
        return Answer(503) if fails[request.key] <= 1 and fails["all"] % 3 == 0 else Answer()

    receiver.always(behave)
    routes = {
        "task": route(receiver.url("/task"), timeoutSeconds=1, lease="4s"),
        "tallypost.notice": {"retry": {"base": "10ms", "cap": "50ms"}, "timeoutSeconds": 1, "lease": "4s"}}
    running = relay(database, routes=routes, allow=allowed(receiver)).start()
    keys = [f"k-{n}" for n in range(60)]
    for key in keys:
        database.insert(type="task", idempotency_key=key, on_complete_url=receiver.url("/done"))
        if key == "k-30":
            running.kill()
            running.start()
    eventually(lambda: database.statuses() == {"completed": 120}, 30, database.statuses)
    told = Counter(body["task"]["idempotency_key"] for body in bodies(receiver, "/done"))
    assert set(told) == set(keys)
    again = Counter(request.key for request in receiver.got() if request.path == "/done")
    assert len(again) == 60 and max(again.values()) > 1, "one key for each notice, and some were tried again"


def test_a_saga_goes_through_or_is_undone_in_reverse_order(database: Database, receiver: Receiver, relay) -> None:
    """Reserve, charge, ship; the undo steps are the application's own rows."""
    receiver.always(lambda request: Answer(422) if request.key.startswith("bad-ship") or request.key.startswith("poor-charge") else Answer(body=b'{"ref":"r"}'))
    relay(
        database, routes={name: route(receiver.url(f"/{name}"), body="envelope") for name in
                          ("reserve", "charge", "ship", "unreserve", "refund")}).start()

    def saga(name: str) -> None:
        database.execute("BEGIN")
        step = lambda type, **columns: database.insert(type=type, idempotency_key=f"{name}-{type}-{columns.get('run_after', 0)}", **columns)  # noqa: E731
        reserve = step("reserve")
        charge = step("charge", run_after=reserve)
        ship = step("ship", run_after=charge)
        refund = step("refund", run_after=ship, run_if="failed")
        step("unreserve", run_after=refund)
        step("unreserve", run_after=charge, run_if="failed")
        database.execute("COMMIT")

    for name in ("good", "poor", "bad"):
        saga(name)
    eventually(lambda: set(database.statuses()) <= {"completed", "failed", "cancelled"}, 20, database.statuses)
    order = {name: [request.path for request in receiver.got() if request.key.startswith(name)] for name in ("good", "poor", "bad")}
    assert order == {
        "good": ["/reserve", "/charge", "/ship"],
        "poor": ["/reserve", "/charge", "/unreserve"],
        "bad": ["/reserve", "/charge", "/ship", "/refund", "/unreserve"]}
    charge = next(request for request in receiver.got() if request.path == "/charge")
    assert json.loads(charge.body)["previousResult"] == {"ref": "r"}
    assert charge.header("Tallypost-Previous-Task")


def test_a_chain_goes_on_over_a_crash_between_the_answer_and_its_commit(database: Database, receiver: Receiver, relay) -> None:
    gate = Gate()
    receiver.always(lambda request: gate if request.key == "a" and request.attempt == 1 else Answer())
    running = relay(database, routes={"task": route(receiver.url(), timeoutSeconds=1, lease="4s")}).start()
    first = database.insert(type="task", idempotency_key="a")
    second = database.insert(type="task", idempotency_key="b", run_after=first)
    eventually(lambda: len(receiver.got()) == 1)
    running.kill()
    gate.open()
    assert database.status(second) == "blocked"
    running.start()
    eventually(lambda: database.statuses() == {"completed": 2}, 20, database.statuses)
    assert [request.key for request in receiver.got()] == ["a", "a", "b"]


def test_a_group_ends_once_whichever_of_two_relays_settles_the_last_member_and_whatever_crashes(
    database: Database, receiver: Receiver, relay
) -> None:
    receiver.always(lambda request: Answer(body=request.body))
    short = {"timeoutSeconds": 1, "lease": "4s"}
    routes = {"task": route(receiver.url("/task"), concurrency=4, **short), "tallypost.notice": short}
    relays = [
        relay(database, routes=routes, allow=allowed(receiver)).start() for _ in range(2)]
    for number in range(12):
        database.execute("BEGIN")
        group(database, f"g-{number}", receiver.url("/group"))
        for member in range(20):
            database.insert(type="task", group_key=f"g-{number}", payload=json.dumps({"g": number, "m": member}))
        database.execute("COMMIT")
        if number in (4, 8):
            relays[number // 8].kill()
            relays[number // 8].start()
    eventually(lambda: database.statuses() == {"completed": 12 * 21}, 40, database.statuses)
    told = {}
    for request in receiver.got():
        if request.path == "/group":
            told.setdefault(request.key, []).append(json.loads(request.body))
    assert len(told) == 12
    for notices in told.values():
        body = notices[0]
        number = int(body["group"]["key"][2:])
        assert body["event"] == "group.completed" and body["next"] is None
        assert [entry["result"] for entry in body["results"]] == [{"g": number, "m": member} for member in range(20)]


def test_a_group_that_fails_fast_sends_no_more_of_its_members(database: Database, receiver: Receiver, relay) -> None:
    gate = Gate(Answer(400))
    receiver.always(lambda request: gate if request.path == "/task" else Answer())
    relay(database, routes={"task": route(receiver.url("/task"), concurrency=1)}, allow=allowed(receiver)).start()
    database.execute("BEGIN")
    group(database, "g", receiver.url("/group"), fail_fast=True)
    ids = [database.insert(type="task", group_key="g") for _ in range(6)]
    database.execute("COMMIT")
    eventually(lambda: len(receiver.got()) == 1)
    gate.open()
    eventually(lambda: bodies(receiver, "/group"), 20, database.rows)
    (body,) = bodies(receiver, "/group")
    assert body["event"] == "group.failed"
    statuses = [database.status(id) for id in ids]
    assert statuses[0] == "failed" and set(statuses) <= {"failed", "cancelled"} and statuses.count("cancelled") >= 1, statuses


def test_subscribers_each_get_the_row_with_retries_of_their_own(database: Database, receiver: Receiver, relay) -> None:
    tries = Counter()

    def behave(request):
        tries[request.path] += 1
        return Answer(503) if request.path == "/flaky" and tries["/flaky"] < 3 else Answer()

    receiver.always(behave)
    subscribers = {name: {"url": receiver.url(f"/{name}"), "retry": {"base": "10ms", "cap": "20ms"}} for name in ("stock", "flaky", "mail")}
    running = relay(database, routes={"paid": {"subscribers": subscribers}}).start()
    id = database.insert(type="paid", idempotency_key="p-1", payload='{"o":1}')
    eventually(lambda: database.status(id) == "completed", 20, database.rows)
    assert tries == {"/stock": 1, "/flaky": 3, "/mail": 1}
    assert {request.key for request in receiver.got()} == {"p-1/stock", "p-1/flaky", "p-1/mail"}
    assert {request.body for request in receiver.got()} == {b'{"o":1}'}
    assert set(json.loads(database.row(id)["result"])) == {"stock", "flaky", "mail"}
    assert running.stop() == 0


def test_batches_send_many_rows_at_once_and_fail_single_items(database: Database, receiver: Receiver, relay) -> None:
    def behave(request):
        items = json.loads(request.body)
        failed = [{"idempotency_key": item["idempotency_key"], "error": "odd"} for item in items
                  if item["payload"]["n"] == 13 and item["task"]["attempt"] == 1]
        return Answer(body=json.dumps({"failed": failed}).encode())

    receiver.always(behave)
    relay(database, routes={"task": route(receiver.url(), batch={"max": 50, "wait": "300ms"}, retry={"base": "10ms", "cap": "20ms"})}).start()
    database.execute("BEGIN")
    for n in range(100):
        database.insert(type="task", idempotency_key=f"k-{n}", payload=json.dumps({"n": n}))
    database.execute("COMMIT")
    eventually(lambda: database.statuses() == {"completed": 100}, 20, database.statuses)
    got = [json.loads(request.body) for request in receiver.got()]
    assert len(got) <= 6 and max(map(len, got)) == 50, list(map(len, got))
    counts = Counter(item["idempotency_key"] for items in got for item in items)
    assert counts == {f"k-{n}": 2 if n == 13 else 1 for n in range(100)}
    (odd,) = database.attempts(database.value("SELECT id FROM pending_tasks WHERE idempotency_key = 'k-13'"))
    assert "odd" in odd["error"]


def test_a_schedule_inserts_each_tick_once_however_many_relays_run(database: Database, receiver: Receiver, relay) -> None:
    keys = {"routes": {"tick": route(receiver.url())}, "schedules": {"beat": {"cron": "@every 1s", "type": "tick", "payload": {"a": [1]}}}}
    relays = [relay(database, **keys).start() for _ in range(2)]
    eventually(lambda: len(receiver.got()) >= 2, 20)
    relays[0].kill()
    relays[0].start()
    eventually(lambda: len(receiver.got()) >= 5, 20)
    assert [one.stop() for one in relays] == [0, 0]
    rows = database.rows()
    assert all(row["idempotency_key"].startswith("schedule-beat-") for row in rows)
    assert len({row["idempotency_key"] for row in rows}) == len(rows)
    assert max(Counter(request.key for request in receiver.got()).values()) == 1
    assert json.loads(receiver.got()[0].body) == {"a": [1]}


def test_deliveries_that_were_called_off_and_are_sent_anew_are_no_break(database: Database, receiver: Receiver, relay, tallypost) -> None:
    closed = True

    def behave(request):
        return Answer(503) if request.path == "/flaky" and closed else Answer()

    receiver.always(behave)
    subscribers = {"stock": {"url": receiver.url("/stock")}, "flaky": {"url": receiver.url("/flaky"), "retry": {"schedule": ["1h"]}}}
    running = relay(database, routes={"paid": {"subscribers": subscribers}}).start()
    id = database.insert(type="paid", idempotency_key="p-1", amount_minor=500, currency="EUR")
    tried = "SELECT count(*) FROM pending_tasks WHERE type = 'paid/flaky' AND status = 'pending' AND attempts = 1"
    eventually(lambda: database.value(tried) == 1)

    def act(what: str) -> None:
        tallypost("task", what, str(id), "--by", "anna", "--why", "so", "--config", str(running.config)).good()

    def reconcile() -> None:
        tallypost("reconcile", "--config", str(running.config)).exited(0)

    act("cancel")
    reconcile()
    closed = False
    act("retry")
    eventually(lambda: database.status(id) == "completed", 20, database.rows)
    reconcile()
    # By hand, without a word from anybody, it is one.
    other = database.insert(type="paid", run_at=database.later(3_600))
    reconcile()
    database.execute("UPDATE pending_tasks SET status = 'cancelled', finished_at = created_at WHERE id = :id", id=other)
    report = tallypost("reconcile", "--json", "--config", str(running.config)).exited(4).json
    assert [finding["class"] for finding in report["findings"]] == ["unexplained_change"]
    assert running.stop() == 0

"""The relay as a service: systemd's protocol, signals, logs, memory."""

import json
import os
import signal
import time

from harness.database import Database, SQLiteDatabase
from harness.receiver import Answer, Gate, Hang, Receiver
from harness.routes import route
from harness.waiting import eventually


def test_systemd_hears_ready_watchdog_reloading_and_stopping(database: Database, receiver: Receiver, relay) -> None:
    running = relay(database, routes={"task": route(receiver.url())}, environment={"WATCHDOG_USEC": "1000000"}).start()
    notify = running.notify

    def pings() -> list[float]:
        return [at for at, text in list(notify.messages) if "WATCHDOG=1" in text.splitlines()]

    eventually(lambda: len(pings()) >= 5)
    gaps = [second - first for first, second in zip(pings(), pings()[1:])]
    assert max(gaps) < 1, "never later than systemd's patience"
    seen = len(notify.messages)
    running.reload(json.loads(running.config.read_text()))
    lines = notify.lines(seen)
    assert lines.index("RELOADING=1") < lines.index("READY=1")
    assert any(line.startswith("MONOTONIC_USEC=") for line in lines)
    eventually(lambda: any(line.startswith("STATUS=") for line in notify.lines()))
    assert running.stop() == 0
    # Sent before the end, and maybe not read from the socket yet.
    eventually(lambda: "STOPPING=1" in notify.lines())
    assert notify.lines().index("READY=1") < notify.lines().index("STOPPING=1")


def test_the_watchdog_is_fed_while_the_database_is_locked_and_the_receiver_hangs(
    sqlite: SQLiteDatabase, receiver: Receiver, relay
) -> None:
    receiver.always(Hang())
    running = relay(sqlite, routes={"task": route(receiver.url(), timeoutSeconds=2)}, environment={"WATCHDOG_USEC": "1600000"}).start()
    sqlite.insert_many(20, "k")
    eventually(lambda: receiver.got())
    holder = sqlite.connect()
    holder.execute("BEGIN IMMEDIATE")
    seen = len(running.notify.messages)
    eventually(lambda: running.notify.lines(seen).count("WATCHDOG=1") >= 4, 8)
    times = [at for at, text in running.notify.messages[seen:] if "WATCHDOG=1" in text]
    assert max(second - first for first, second in zip(times, times[1:])) < 1.6
    holder.execute("ROLLBACK")
    holder.close()


def test_a_watchdog_for_another_process_is_not_fed(sqlite: SQLiteDatabase, receiver: Receiver, relay) -> None:
    running = relay(
        sqlite, routes={"task": route(receiver.url())}, environment={"WATCHDOG_USEC": "100000", "WATCHDOG_PID": "1"}).start()
    sqlite.insert_many(100, "k")
    eventually(lambda: sqlite.statuses() == {"completed": 100})
    assert "WATCHDOG=1" not in running.notify.lines()


def test_sigterm_lets_what_is_in_flight_end_and_gives_the_rest_back(database: Database, receiver: Receiver, relay) -> None:
    gate = Gate()
    receiver.always(gate)
    running = relay(database, routes={"task": route(receiver.url(), concurrency=10, timeoutSeconds=20)}).start()
    database.insert_many(40, "k")
    eventually(lambda: len(receiver.got()) == 10)
    running.signal(signal.SIGTERM)
    eventually(lambda: "STOPPING=1" in running.notify.lines())
    # The rest goes back at once, its attempts refunded, for another relay to take.
    eventually(lambda: database.statuses() == {"processing": 10, "pending": 30}, what=database.statuses)
    gate.open()
    assert running.wait(10) == 0
    assert database.statuses() == {"completed": 10, "pending": 30}
    rows = [row for row in database.rows() if row["status"] == "pending"]
    assert {row["attempts"] for row in rows} == {0}
    assert len(receiver.got()) == 10


def test_sigterm_waits_for_a_hanging_receiver_no_longer_than_its_timeout(
    database: Database, receiver: Receiver, relay
) -> None:
    receiver.always(Hang())
    running = relay(database, routes={"task": route(receiver.url(), timeoutSeconds=2, concurrency=5)}).start()
    database.insert_many(20, "k")
    eventually(lambda: len(receiver.got()) == 5)
    assert running.stop(within=10) == 0
    # Each outcome is written, and tried again by whoever runs next.
    assert database.statuses() == {"pending": 20}
    assert sorted(row["attempts"] for row in database.rows()) == [0] * 15 + [1] * 5


def test_a_second_sigterm_exits_at_once(database: Database, receiver: Receiver, relay) -> None:
    receiver.always(Hang())
    running = relay(database, routes={"task": route(receiver.url(), timeoutSeconds=60)}).start()
    database.insert(type="task")
    eventually(lambda: receiver.got())
    running.signal(signal.SIGTERM)
    eventually(lambda: "STOPPING=1" in running.notify.lines())
    began = time.monotonic()
    running.signal(signal.SIGTERM)
    running.wait(5)
    assert time.monotonic() - began < 2
    assert database.statuses() == {"processing": 1}, "left to its lease"


def test_sighup_with_a_good_file_uses_it_and_with_a_bad_one_keeps_the_old(
    database: Database, receiver: Receiver, relay
) -> None:
    old = {"database": database.url, "routes": {"task": route(receiver.url("/old"))}}
    running = relay(config=old).start()
    for bad in ("{", json.dumps(old | {"rutes": {}}), json.dumps(old | {"routes": {"task": {"url": "nowhere"}}}), json.dumps({"routes": old["routes"], "database": "sqlite:/elsewhere.db"})):
        told = len(running.lines("old one stays"))
        running.reload(bad)
        eventually(lambda: len(running.lines("old one stays")) > told, what=running.text)
        id = database.insert(type="task")
        eventually(lambda: database.status(id) == "completed", what=lambda: database.row(id))
    assert len(receiver.got("/old")) == 4

    new = old | {"routes": {"task": route(receiver.url("/new")), "more": route(receiver.url("/more"))}}
    running.reload(new)
    for type in ("task", "more"):
        id = database.insert(type=type)
        eventually(lambda: database.status(id) == "completed", what=lambda: database.row(id))
    assert (len(receiver.got("/new")), len(receiver.got("/more")), len(receiver.got("/old"))) == (1, 1, 4)


def test_what_is_in_flight_at_a_reload_ends_as_it_began(database: Database, receiver: Receiver, relay) -> None:
    gate = Gate()
    receiver.on("/old", gate)
    config = {"database": database.url, "routes": {"task": route(receiver.url("/old"), concurrency=4, timeoutSeconds=20)}}
    running = relay(config=config).start()
    keys = database.insert_many(4, "k")
    eventually(lambda: len(receiver.got("/old")) == 4)
    running.reload(config | {"routes": {"task": route(receiver.url("/new"))}})
    later = database.insert(type="task", idempotency_key="later")
    eventually(lambda: database.status(later) == "completed", what=lambda: database.row(later))
    gate.open()
    eventually(lambda: database.statuses() == {"completed": 5}, what=database.statuses)
    assert receiver.counts() == dict.fromkeys([*keys, "later"], 1)
    assert [request.key for request in receiver.got("/new")] == ["later"]


def test_log_lines_are_json_objects_with_time_level_and_message(database: Database, receiver: Receiver, relay) -> None:
    receiver.always(Answer(404))
    running = relay(database, routes={"task": route(receiver.url())}).start()
    id = database.insert(type="task")
    line = eventually(lambda: running.lines("failed"))[0]
    assert line["task"] == id or line["task"] == str(id)
    assert (line["level"], line["type"]) == ("error", "task") and "404" in line["reason"]
    assert running.stop() == 0
    for line in running.lines():
        assert line["ts"].endswith("Z") and line["level"] and line["msg"]


def test_the_journal_gets_priorities(sqlite: SQLiteDatabase, receiver: Receiver, relay) -> None:
    running = relay(sqlite, routes={"task": route(receiver.url())})
    running.log.touch()
    status = running.log.stat()
    running.environment["JOURNAL_STREAM"] = f"{status.st_dev}:{status.st_ino}"
    running.prefixed = True
    receiver.always(Answer(404))
    running.start()
    id = sqlite.insert(type="task")
    eventually(lambda: sqlite.status(id) == "failed")
    assert running.stop() == 0
    lines = running.text().splitlines()
    assert all(line[0] == "<" and line[2] == ">" and json.loads(line[3:]) for line in lines)
    assert {line[1] for line in lines} >= {"3", "6"}


def test_secrets_are_in_no_log_and_on_no_page(database: Database, receiver: Receiver, relay, tallypost) -> None:
    signing = "whsec_" + "c2lnbmluZy1zZWNyZXQtc2lnbmluZy1zZWNyZXQ="
    hidden = ["c2lnbmluZy1zZWNyZXQ", "bearer-of-the-route", "token-in-the-query", "database-password"]
    url = database.url.replace("//postgres@", "//postgres:database-password@")
    config = {
        "database": url,
        "routes": {
            "task": route(
                receiver.url("/x?token=token-in-the-query"), secrets=["env:SIGNING"],
                headers={"Authorization": "Bearer bearer-of-the-route"}, maxAttempts=1),
            "dead": route("http://127.0.0.1:9/x?token=token-in-the-query", secrets=["env:SIGNING"], maxAttempts=1),
        },
    }
    receiver.always(Answer(500))
    running = relay(config=config, environment={"SIGNING": signing}).start()
    ids = [database.insert(type="task"), database.insert(type="dead"),
           database.insert(type="task", target_url="http://name:user-password@127.0.0.1/")]
    for id in ids:
        eventually(lambda: database.status(id) == "failed", what=lambda: database.row(id))
    tokens = [row["signal_token"] for row in database.rows()]
    assert all(tokens)
    pages = [running.text()]
    environment = {"SIGNING": signing}
    for command in (["status"], ["status", "--json"], ["doctor"], ["task", "list"], ["task", "list", "--json"], ["route", "list"],
                    *(["task", "show", str(id)] for id in ids[:2]), ["task", "show", str(ids[0]), "--json"]):
        done = tallypost(*command, "--config", running.config, environment=environment)
        pages.append(done.out + done.err)
    bad = json.dumps(config | {"oops": 1})
    running.reload(bad)
    pages.append(running.text())
    assert "user-password" not in running.text(), "a row's URL is shown to whoever asks for the row, and is in no log"
    for page in pages:
        for secret in hidden + tokens:
            assert secret not in page, f"{secret} stands in:\n{page}"


def test_memory_and_descriptors_stay_small(database: Database, receiver: Receiver, relay) -> None:
    running = relay(database, routes={"task": route(receiver.url())}).start()
    at_start = running.memory()
    assert at_start < 64 << 20, f"{at_start >> 20} MiB when ready"
    database.insert_many(500, "small")
    eventually(lambda: database.statuses() == {"completed": 500}, 30, database.statuses)
    descriptors = running.descriptors()
    # A backlog that is far larger than what the relay may hold.
    database.insert_many(4_000, "large", payload=json.dumps("x" * 40_000))
    eventually(lambda: database.statuses() == {"completed": 4_500}, 60, database.statuses)
    assert running.memory() < 256 << 20, f"{running.memory() >> 20} MiB for a backlog of 160 MB"
    eventually(lambda: running.descriptors() <= descriptors + 8, 10, lambda: (descriptors, running.descriptors()))
    assert os.path.exists(f"/proc/{running.pid}")

"""Ticks of schedules on the built program: once each, through crashes, reloads and databases that are away."""

import datetime
import re
from collections.abc import Iterator
from contextlib import contextmanager

from harness.database import Database, PostgresDatabase, SQLiteDatabase
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually

UTC = datetime.timezone.utc


def ticks(database: Database, name: str = "beat") -> list[datetime.datetime]:
    """The ticks of a schedule that were inserted, by their keys, in the order of their times."""
    keys = [row["idempotency_key"] for row in database.query("SELECT idempotency_key FROM pending_tasks")]
    found = [re.fullmatch(rf"schedule-{name}-(\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\dZ)", key) for key in keys]
    return sorted(datetime.datetime.fromisoformat(match[1].replace("Z", "+00:00")) for match in found if match)


@contextmanager
def no_inserts(database: Database) -> Iterator[None]:
    """While it lasts, whoever inserts a task waits."""
    holder = database.connect()
    if database.engine == "sqlite":
        holder.execute("BEGIN IMMEDIATE")
    else:
        holder.execute("BEGIN")
        holder.execute("LOCK TABLE pending_tasks IN SHARE ROW EXCLUSIVE MODE")
    try:
        yield
    finally:
        holder.execute("ROLLBACK")
        holder.close()


def test_a_tick_is_inserted_once_though_its_relay_dies_between_tick_and_insert(
    database: Database, receiver: Receiver, relay
) -> None:
    schedules = {"beat": {"cron": "@every 2s", "type": "tick", "catchUp": "latest"}}
    one, two = (relay(database, routes={"tick": route(receiver.url())}, schedules=schedules) for _ in range(2))
    one.start()
    eventually(lambda: receiver.got())
    for relays in ([one], [one, two]):
        for each in relays:
            if not each.is_running:
                each.start()
        seen = ticks(database)[-1]
        with no_inserts(database):
            # A tick has come, and its insert waits.
            eventually(lambda: datetime.datetime.now(UTC) >= seen + datetime.timedelta(seconds=2.5), 5)
            for each in relays:
                each.kill()
            # Later a server process that still waits for the lock may insert it: nobody told it that its client is gone.
            assert ticks(database)[-1] == seen, "nothing was inserted meanwhile"
        for each in relays:
            each.start()
        eventually(lambda: ticks(database)[-1] > seen)
    eventually(lambda: len(receiver.got()) == len(ticks(database)) >= 5)
    assert one.stop() == two.stop() == 0
    assert receiver.counts() == {row["idempotency_key"]: 1 for row in database.rows()}


def test_the_last_tick_is_made_up_for_at_the_start_and_only_by_latest(database: Database, receiver: Receiver, relay) -> None:
    schedules = {
        "beat": {"cron": "@every 10m", "type": "tick", "catchUp": "latest", "priority": 7, "subject": "s", "payload": {"b": 1, "a": "ü/"}},
        "skipping": {"cron": "@every 10m", "type": "tick"},
    }
    keys = {"routes": {"tick": route(receiver.url())}, "schedules": schedules}
    running = relay(database, **keys).start()
    (request,) = eventually(lambda: receiver.got())
    assert request.body == '{"a":"ü/","b":1}'.encode()
    (row,) = database.rows()
    assert (row["priority"], row["subject"], row["status"] in ("processing", "completed")) == (7, "s", True)
    (tick,) = ticks(database)
    assert tick.timestamp() % 600 == 0
    assert ticks(database, "skipping") == []
    # Again, it is there already; and a drain adds nothing to what is there.
    assert running.stop() == 0
    database.execute("DELETE FROM task_attempts")
    running.start()
    second = relay(database, "--drain", **keys).spawn()
    assert second.wait() == 0
    assert len([tick for tick in ticks(database) if tick == ticks(database)[0]]) == 1
    assert running.stop() == 0


def test_a_drain_inserts_nothing(database: Database, receiver: Receiver, relay) -> None:
    schedules = {"beat": {"cron": "@every 1s", "type": "tick", "catchUp": "latest"}}
    id = database.insert(type="task")
    draining = relay(database, "--drain", routes={"task": route(receiver.url()), "tick": route(receiver.url())}, schedules=schedules)
    assert draining.spawn().wait() == 0
    assert database.status(id) == "completed" and len(database.rows()) == 1


def test_a_reload_changes_schedules_and_a_bad_one_changes_none(database: Database, receiver: Receiver, relay) -> None:
    config = {
        "database": database.url, "routes": {"tick": route(receiver.url())},
        "schedules": {"beat": {"cron": "@every 1s", "type": "tick"}, "stranger": {"cron": "@yearly", "type": "tikc"}},
    }
    running = relay(config=config).start()
    (warning,) = running.lines("a schedule inserts tasks without a route")
    assert 'did you mean "tick"?' in warning["problem"]
    eventually(lambda: ticks(database))
    running.reload({**config, "schedules": {"beat": {"cron": "@every 1s", "type": "tick", "zone": "Europe/London"}}})
    (refusal,) = running.lines("the new configuration is refused")
    assert "schedules.beat.zone" in refusal["problem"]
    seen = len(ticks(database))
    eventually(lambda: len(ticks(database)) > seen)
    running.reload({**config, "schedules": {"other": {"cron": "* * * * *", "zone": "Asia/Kathmandu", "type": "tick", "catchUp": "latest"}}})
    last = ticks(database)
    # A chore of a second later than the reload has been done: had a tick come, it would be there.
    database.insert(type="tick", idempotency_key="late", run_at=database.later(2))
    eventually(lambda: receiver.got(key="late"))
    assert ticks(database)[: len(last)] == ticks(database), "the old schedule ticks no more"
    assert running.stop() == 0


def test_a_right_that_is_missing_is_told_and_stops_nothing_else(postgres: PostgresDatabase, receiver: Receiver, relay) -> None:
    postgres.execute("""
        CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF new.type = 'refused' THEN RAISE insufficient_privilege USING MESSAGE = 'not for you'; END IF; RETURN new; END $$""")
    postgres.execute("CREATE TRIGGER refuse BEFORE INSERT ON pending_tasks FOR EACH ROW EXECUTE FUNCTION refuse()")
    schedules = {"beat": {"cron": "@every 1s", "type": "tick"}, "bad": {"cron": "@every 1s", "type": "refused"}}
    running = relay(
        postgres, routes={"tick": route(receiver.url()), "refused": route(receiver.url())}, schedules=schedules).start()
    (line, *_) = eventually(lambda: running.lines("the database refuses a schedule's task"), what=running.text)
    assert line["schedule"] == "bad" and "not for you" in line["error"]
    seen = len(ticks(postgres))
    eventually(lambda: len(ticks(postgres)) >= seen + 2)
    id = postgres.insert(type="tick")
    eventually(lambda: postgres.status(id) == "completed")
    assert running.stop() == 0


def test_a_sqlite_database_locked_for_long_delays_a_tick_and_loses_none(sqlite: SQLiteDatabase, receiver: Receiver, relay) -> None:
    running = relay(sqlite, routes={"tick": route(receiver.url())}, schedules={"beat": {"cron": "@every 1s", "type": "tick"}}).start()
    eventually(lambda: len(ticks(sqlite)) >= 2)
    seen = ticks(sqlite)[-1]
    with no_inserts(sqlite):
        eventually(lambda: datetime.datetime.now(UTC) >= seen + datetime.timedelta(seconds=8), 12)
    eventually(lambda: len([tick for tick in ticks(sqlite) if tick > seen]) >= 8, 20, running.text)
    found = ticks(sqlite)
    assert all(after - before == datetime.timedelta(seconds=1) for before, after in zip(found, found[1:])), found
    assert running.stop() == 0

"""Tasks that ended long ago go by themselves; nothing else does."""

from harness.database import Database
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually

DAY = 86_400


def ended(database: Database, status: str, days: int, key: str) -> int:
    """A task that ended so many days ago."""
    at = database.later(-days * DAY)
    return database.insert(
        type="task", idempotency_key=key, status=status, run_at=at, created_at=at, finished_at=at)


def keys(database: Database) -> set[str]:
    return {row["idempotency_key"] for row in database.query("SELECT idempotency_key FROM pending_tasks")}


def test_retention_is_on_by_default(database: Database, receiver: Receiver, relay) -> None:
    old = [ended(database, "completed", 31, "old"), ended(database, "failed", 91, "old dead letter")]
    for id in old:
        database.execute(
            "INSERT INTO task_attempts (task_id, attempt, lease_epoch, duration_ms, error) VALUES (:id, 1, 1, 5, '500')", id=id)
    ended(database, "completed", 29, "young")
    ended(database, "failed", 89, "young dead letter")
    process = relay(database, routes={"task": route(receiver.url())}).start()
    eventually(lambda: keys(database) == {"young", "young dead letter"}, what=lambda: keys(database))
    assert database.value("SELECT count(*) FROM task_attempts") == 0
    assert [row["event"] for row in database.query("SELECT event FROM task_events")] == ["purge"]
    (line,) = eventually(lambda: process.lines("tasks that ended long ago were removed"))
    assert int(line["count"]) == 2
    # And tasks flow as ever.
    database.insert(type="task", idempotency_key="new")
    eventually(lambda: receiver.got(key="new"))


def test_what_the_relay_itself_delivered_goes_in_its_time(database: Database, receiver: Receiver, relay) -> None:
    process = relay(
        database, retention={"completed": "1s", "final": "never"}, routes={"task": route(receiver.url())}).start()
    database.insert_many(250, "k")
    eventually(lambda: len(receiver.got()) == 250)
    eventually(lambda: keys(database) == set(), what=lambda: len(keys(database)))
    assert process.stop() == 0


def test_turned_off_and_on_again_by_a_reload(database: Database, receiver: Receiver, relay, tallypost) -> None:
    ended(database, "completed", 4_000, "ancient")
    config = {"database": database.url, "routes": {"task": route(receiver.url())}, "retention": "never"}
    process = relay(config=config).start()
    # A delivered task, and a chore after it: had anything been removed, it would be by now.
    database.insert(type="task", idempotency_key="new", deadline_at=database.later(1))
    eventually(lambda: receiver.got(key="new"))
    database.insert(type="task", idempotency_key="late", run_at=database.later(2), deadline_at=database.later(0.5))
    eventually(lambda: database.statuses().get("timeout") == 1)
    assert "ancient" in keys(database)
    assert "retention: everything is kept" in tallypost("status", "--config", str(process.config)).good().out
    process.reload({**config, "retention": {"completed": "30d"}})
    eventually(lambda: "ancient" not in keys(database))

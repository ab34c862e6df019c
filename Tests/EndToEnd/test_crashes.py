"""Crashes cost no task and double none that was not in flight. The full campaign is `campaign_kill.py` as a script."""

import random
import time

from campaign_kill import Campaign
from harness.database import Database, PostgresDatabase, SQLiteDatabase
from harness.postgres import PrivateServer, Scratch
from harness.receiver import Answer, Receiver
from harness.routes import route
from harness.waiting import eventually


def test_kill_9_of_the_relay_during_a_drain(database: Database, binary, tmp_path) -> None:
    seed = random.randrange(1 << 32)
    toll = Campaign(binary, tmp_path / "relay", database, tasks=2_000, crashes=15, seed=seed).run(database.engine)
    print(toll)
    toll.check()


def test_crashes_of_postgres_during_a_drain(private_server: PrivateServer, binary, tallypost, tmp_path) -> None:
    database = PostgresDatabase(Scratch(private_server.url).create())
    tallypost("init", "--database", database.url).good()
    seed = random.randrange(1 << 32)
    campaign = Campaign(binary, tmp_path / "relay", database, tasks=2_000, crashes=8, seed=seed)
    toll = campaign.run("postgres-immediate", private_server)
    print(toll)
    toll.check()


def test_a_task_whose_handling_kills_the_relay_ends_as_failed(database: Database, receiver: Receiver, relay) -> None:
    """Attempts are counted at the claim: one that never comes to an end counts too."""
    from harness.receiver import Hang

    receiver.always(Hang())
    running = relay(database, routes={"task": route(receiver.url(), timeoutSeconds=1, lease="4s", maxAttempts=2)})
    id = database.insert(type="task")
    for attempt in (1, 2):
        running.start()
        eventually(lambda: [request.attempt for request in receiver.got()] == list(range(1, attempt + 1)), 20)
        running.kill()
    running.start()
    row = eventually(lambda: (row := database.row(id))["status"] == "failed" and row, 20, lambda: database.row(id))
    assert row["attempts"] == 2 and "stopped answering" in row["last_error"]
    assert len(database.attempts(id)) == 2
    assert len(receiver.got()) == 2, "not a third time"


def test_run_waits_for_a_database_that_is_away_and_says_so(
    private_server: PrivateServer, receiver: Receiver, relay, tallypost
) -> None:
    database = PostgresDatabase(Scratch(private_server.url).create())
    tallypost("init", "--database", database.url).good()
    private_server.stop()
    running = relay(database, routes={"task": route(receiver.url())}).spawn()
    eventually(lambda: running.lines("does not answer"), 15, running.text)
    assert "READY=1" not in running.notify.lines()
    private_server.start()
    eventually(lambda: "READY=1" in running.notify.lines(), 30, running.text)
    id = database.insert(type="task")
    eventually(lambda: database.status(id) == "completed")

    # And goes on waiting when it goes away later.
    private_server.stop("immediate")
    database.close()
    eventually(lambda: len(running.lines("does not answer")) >= 2, 15, running.text)
    private_server.start()
    id = database.insert(type="task")
    eventually(lambda: database.status(id) == "completed", 30, running.text)
    eventually(lambda: running.lines("answers again"), 15, running.text)
    assert running.is_running
    database.close()


def test_a_server_that_ends_every_session_is_come_back_to_within_seconds(
    postgres: PostgresDatabase, receiver: Receiver, relay
) -> None:
    receiver.always(Answer(delay=0.005))
    running = relay(postgres, routes={"task": route(receiver.url())}).start()
    keys = postgres.insert_many(3_000, "k")
    for _ in range(5):
        seen = len(receiver.requests)
        eventually(lambda: len(receiver.requests) > seen + 50 or len(receiver.requests) >= 3_000)
        postgres.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
    began = time.monotonic()
    eventually(lambda: postgres.statuses() == {"completed": 3_000}, 30, postgres.statuses)
    print(f"completed {time.monotonic() - began:.1f} s after the last")
    assert set(receiver.counts()) == set(keys)
    assert running.stop() == 0


def test_a_database_file_that_is_full_of_other_peoples_locks_is_waited_for(sqlite: SQLiteDatabase, receiver: Receiver, relay) -> None:
    running = relay(sqlite, routes={"task": route(receiver.url())}).start()
    holder = sqlite.connect()
    holder.execute("BEGIN IMMEDIATE")
    holder.execute("INSERT INTO pending_tasks (type, idempotency_key) VALUES ('task', 'behind-the-lock')")
    # Longer than the five seconds that SQLite's users commonly wait.
    began = time.monotonic()
    eventually(lambda: time.monotonic() - began > 6.5, 8)
    assert running.is_running and receiver.got() == []
    holder.execute("COMMIT")
    eventually(lambda: sqlite.statuses() == {"completed": 1}, 15, running.text)
    assert len(receiver.got()) == 1
    holder.close()

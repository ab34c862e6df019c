"""The relay is a guest in the application's database: it holds nobody up, and takes a table as it finds it."""

import json
import os
import sqlite3
import statistics
import subprocess
import sys
import textwrap
from pathlib import Path

import psycopg
import pytest
from harness.database import Database, PostgresDatabase, SQLiteDatabase
from harness.receiver import Answer, Receiver
from harness.routes import route
from harness.waiting import eventually

WRITER = textwrap.dedent("""
    import json, sqlite3, sys, time
    path, name, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    connection = sqlite3.connect(path, timeout=5)
    times = []
    for number in range(count):
        began = time.monotonic()
        with connection:
            connection.execute("INSERT INTO orders (name) VALUES (?)", (f"{name}-{number}",))
            connection.execute(
                "INSERT INTO pending_tasks (type, payload, idempotency_key) VALUES ('task', '{}', ?)", (f"{name}-{number}",))
        times.append(time.monotonic() - began)
        time.sleep(0.002)
    print(json.dumps(times))
""")


def test_the_applications_writers_never_get_busy_while_the_relay_drains(
    sqlite: SQLiteDatabase, receiver: Receiver, relay
) -> None:
    sqlite.execute("CREATE TABLE orders (name TEXT)")
    sqlite.insert_many(6_000, "backlog")
    relay(sqlite, routes={"task": route(receiver.url(), concurrency=64)}).start()
    # Other processes, as an application's are, each with the usual five seconds of patience.
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, str(sqlite.path), name, "300"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for name in ("a", "b")]
    times = []
    for writer in writers:
        out, err = writer.communicate(timeout=60)
        assert writer.returncode == 0, err
        times += json.loads(out)
    eventually(lambda: sqlite.statuses() == {"completed": 6_600}, 60, sqlite.statuses)
    assert set(receiver.counts().values()) == {1}
    times.sort()
    print(f"transactions of the application: median {statistics.median(times) * 1000:.1f} ms, slowest {times[-1] * 1000:.0f} ms")
    assert times[-1] < 2.5, "not even near the five seconds"


def test_the_application_may_check_vacuum_and_checkpoint_beside_the_relay(
    sqlite: SQLiteDatabase, receiver: Receiver, relay
) -> None:
    receiver.always(Answer(delay=0.001))
    running = relay(sqlite, routes={"task": route(receiver.url(), concurrency=8)}).start()
    for number in range(10):
        sqlite.insert_many(100, f"round-{number}")
        sqlite.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if number == 5:
            eventually(lambda: sqlite.statuses() == {"completed": 600}, 20, sqlite.statuses)
            sqlite.execute("VACUUM")
    eventually(lambda: sqlite.statuses() == {"completed": 1_000}, 30, running.text)
    assert running.stop() == 0
    assert sqlite.value("PRAGMA integrity_check") == "ok"
    assert set(receiver.counts().values()) == {1}


def test_an_existing_table_is_adopted_and_its_rows_are_kept(
    empty_database: Database, receiver: Receiver, relay, tallypost
) -> None:
    database = empty_database
    if database.engine == "sqlite":
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE pending_tasks (id INTEGER PRIMARY KEY, type TEXT NOT NULL, payload TEXT NOT NULL, note TEXT)")
    else:
        # As applications have them: a serial key, jsonb, a column and an index of their own.
        database.execute(
            "CREATE TABLE pending_tasks (id serial PRIMARY KEY, type varchar(80) NOT NULL, payload jsonb NOT NULL, "
            "idempotency_key uuid UNIQUE DEFAULT gen_random_uuid(), run_at timestamp DEFAULT now(), note text)")
    database.execute("CREATE INDEX own_index ON pending_tasks (note)")
    for number in range(1, 4):
        database.execute(
            "INSERT INTO pending_tasks (type, payload, note) VALUES ('task', :payload, :note)", payload=f'{{"n": {number}}}',
            note=f"note {number}")
    before = database.query("SELECT id, type, payload, note FROM pending_tasks ORDER BY id")
    place = "SELECT ctid::text AS place, xmin::text AS version FROM pending_tasks ORDER BY id"
    places = database.query(place) if database.engine == "postgres" else None

    done = tallypost("init", "--database", database.url, "--json").good().json
    assert "lease_epoch" in done["adopted"] and "payload" not in done["adopted"]
    assert database.query("SELECT id, type, payload, note FROM pending_tasks ORDER BY id") == before
    if places:
        assert database.query(place) == places, "not one row was rewritten"
    assert tallypost("init", "--database", database.url, "--json").good().json["adopted"] == []

    # The old rows are tasks now, each with a key that stays the same over its attempts.
    receiver.on("/tasks", [Answer(503), Answer()])
    running = relay(database, routes={"task": route(receiver.url(), concurrency=1)}).start()
    eventually(lambda: database.statuses() == {"completed": 3}, what=lambda: database.rows())
    counts = receiver.counts()
    assert len(counts) == 3 and sorted(counts.values()) == [1, 1, 2] and all(counts)
    bodies = {json.dumps(json.loads(request.body)) for request in receiver.got()}
    assert bodies == {json.dumps({"n": number}) for number in (1, 2, 3)}
    # And the application's own insert, which knows of no new column, goes on working.
    database.execute("INSERT INTO pending_tasks (type, payload, note) VALUES ('task', '{}', 'new')")
    eventually(lambda: database.statuses() == {"completed": 4}, what=database.statuses)
    assert len(receiver.counts()) == 4
    assert running.stop() == 0
    assert [row["note"] for row in database.rows()] == ["note 1", "note 2", "note 3", "new"]
    tallypost("status", "--database", database.url).good()
    tallypost("doctor", "--database", database.url).good()


def test_a_table_whose_statuses_are_its_own_is_adopted_with_a_word_of_warning(
    empty_database: Database, receiver: Receiver, relay, tallypost
) -> None:
    database = empty_database
    key = "INTEGER PRIMARY KEY" if database.engine == "sqlite" else "bigserial PRIMARY KEY"
    database.execute(f"CREATE TABLE pending_tasks (id {key}, type text NOT NULL, payload text NOT NULL, status text NOT NULL)")
    for status in ("completed", "pending", "shipped"):
        database.execute("INSERT INTO pending_tasks (type, payload, status) VALUES ('task', '{}', :status)", status=status)
    done = tallypost("init", "--database", database.url, "--json").good().json
    assert any("shipped" in note for note in done["notes"]), done
    relay(database, routes={"task": route(receiver.url())}).start()
    eventually(lambda: database.statuses() == {"completed": 2, "failed": 1}, what=database.statuses)
    assert len(receiver.got()) == 1, "what was completed before is not sent"


def test_nulls_in_columns_of_the_applications_own_are_set_aside(
    empty_database: Database, receiver: Receiver, relay, tallypost
) -> None:
    database = empty_database
    key, time = ("INTEGER PRIMARY KEY", "TEXT") if database.engine == "sqlite" else ("bigserial PRIMARY KEY", "timestamptz")
    database.execute(f"CREATE TABLE pending_tasks (id {key}, type text, payload text, priority integer, run_at {time})")
    tallypost("init", "--database", database.url).good()
    ids = {
        "priority": database.insert(type="task", priority=None, run_at=database.later(-1)),
        "run_at": database.insert(type="task", priority=0, run_at=None),
    }
    good = database.insert(type="task", priority=3, run_at=database.later(-1))
    relay(database, routes={"task": route(receiver.url())}).start()
    eventually(lambda: database.statuses() == {"completed": 1, "failed": 2}, what=database.rows)
    assert database.status(good) == "completed"
    for column, id in ids.items():
        assert column in database.row(id)["last_error"]


GRANTS = Path(__file__).parents[2] / "sql" / "postgres" / "grants.sql"


def test_three_roles_do_their_own_work_and_no_others(postgres: PostgresDatabase, receiver: Receiver, relay, tallypost) -> None:
    names = {role: f"{role}_{os.getpid()}" for role in ("app", "relay", "report")}
    as_role = {role: PostgresDatabase(postgres.url.replace("//postgres@", f"//{name}@")) for role, name in names.items()}
    try:
        for name in names.values():
            postgres.execute(f"CREATE ROLE {name} LOGIN")
        options = [word for role, name in names.items() for word in ("-v", f"{role}={name}")]
        done = subprocess.run(["psql", "-X", "-q", *options, "-f", str(GRANTS), postgres.url], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr

        receiver.on("/tasks", [Answer(503), Answer()])
        running = relay(as_role["relay"], routes={"task": route(receiver.url()), "gone": route(receiver.on("/gone", Answer(410)))}).start()
        tallypost("doctor", "--config", running.config).good()
        app = as_role["app"]
        (made,) = app.query("INSERT INTO pending_tasks (type, payload) VALUES ('task', '{}') RETURNING id, signal_token")
        gone = app.insert(type="gone")
        eventually(lambda: app.query("SELECT status FROM pending_tasks WHERE id = :id", id=made["id"]) == [{"status": "completed"}])
        eventually(lambda: postgres.status(gone) == "failed", what=running.text)
        tallypost("route", "resume", "gone", "--config", running.config).good()
        tallypost("task", "retry", gone, "--config", running.config).good()

        refused = [
            ("app", "UPDATE pending_tasks SET status = 'completed'"), ("app", "DELETE FROM pending_tasks"),
            ("app", "INSERT INTO pending_tasks (type, status) VALUES ('task', 'completed')"), ("app", "SELECT * FROM task_events"),
            ("relay", "UPDATE pending_tasks SET payload = '{}'"), ("relay", "UPDATE pending_tasks SET target_url = 'http://x/'"),
            ("relay", "INSERT INTO pending_tasks (type) VALUES ('task')"), ("relay", "DELETE FROM task_attempts"),
            ("report", "SELECT signal_token FROM pending_tasks"), ("report", "UPDATE pending_tasks SET status = 'failed'"),
        ]
        for role, sql in refused:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                as_role[role].execute(sql)
        assert as_role["report"].query("SELECT status FROM pending_tasks WHERE id = :id", id=made["id"])
        assert running.stop() == 0
    finally:
        for role, name in names.items():
            as_role[role].close()
            postgres.execute(f"DROP OWNED BY {name}")
            postgres.execute(f"DROP ROLE {name}")


def test_a_read_only_connection_of_sqlite_goes_on_reading(sqlite: SQLiteDatabase, receiver: Receiver, relay) -> None:
    reader = sqlite3.connect(f"file:{sqlite.path}?mode=ro", uri=True, isolation_level=None)
    relay(sqlite, routes={"task": route(receiver.url())}).start()
    # A snapshot that stays open while the relay works.
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM pending_tasks").fetchone() == (0,)
    sqlite.insert_many(300, "k")
    eventually(lambda: sqlite.statuses() == {"completed": 300}, what=sqlite.statuses)
    assert reader.execute("SELECT count(*) FROM pending_tasks").fetchone() == (0,)
    reader.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM pending_tasks").fetchone() == (300,)
    reader.close()

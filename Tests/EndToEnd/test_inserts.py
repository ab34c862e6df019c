"""Rows that an application commits are delivered, whatever wrote them; rows that it rolls back never are."""

import subprocess
import sys
from pathlib import Path

import pytest
from harness.database import Database, PostgresDatabase
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually

WRITERS = Path(__file__).parent / "writers"
sys.path.insert(0, str(WRITERS))

import orders  # noqa: E402


def write_with_shell(database: Database) -> None:
    """The same as the programs in `writers`, in plain SQL through psql or sqlite3."""
    quoted = lambda text: "'" + text.replace("'", "''") + "'"  # noqa: E731
    script = ""
    for order in orders.ORDERS:
        values = ", ".join(map(quoted, ("send-receipt", orders.payload(order), orders.key(order), orders.subject(order))))
        script += f"""
            BEGIN;
            INSERT INTO orders (id, state) VALUES ({order}, 'paid');
            INSERT INTO pending_tasks (type, payload, idempotency_key, subject) VALUES ({values});
            {"COMMIT" if orders.is_kept(order) else "ROLLBACK"};"""
    done = database.shell(script)
    assert done.returncode == 0, done.stderr


def write_with_program(database: Database, writer: str) -> None:
    done = subprocess.run(
        [sys.executable, "-B", str(WRITERS / f"{writer}_shop.py"), database.url], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("writer", ["shell", "driver", "sqlalchemy", "django"])
def test_committed_rows_of_another_process_arrive_once_and_rolled_back_ones_never(
    writer: str, database: Database, receiver: Receiver, relay
) -> None:
    database.execute("CREATE TABLE orders (id integer PRIMARY KEY, state text NOT NULL)")
    running = relay(database, routes={"send-receipt": route(receiver.url())}).start()

    write_with_shell(database) if writer == "shell" else write_with_program(database, writer)

    kept = [order for order in orders.ORDERS if orders.is_kept(order)]
    eventually(lambda: database.statuses() == {"completed": len(kept)}, what=database.statuses)
    assert running.stop() == 0
    assert [row["id"] for row in database.query("SELECT id FROM orders ORDER BY id")] == kept
    assert receiver.counts() == {orders.key(order): 1 for order in kept}
    for order in kept:
        request = receiver.one(key=orders.key(order))
        assert request.body == orders.payload(order).encode(), "the body is the payload, byte for byte"
        assert request.header("Content-Type") == "application/json"
        assert request.header("Tallypost-Task-Type") == "send-receipt"
        assert request.attempt == 1
        row = database.row(request.task)
        assert (row["subject"], row["attempts"], row["response_status"]) == (orders.subject(order), 1, 200)
        assert row["finished_at"] is not None and row["lease_expires_at"] is None


def test_the_shortest_insert_of_the_contract_is_delivered(database: Database, receiver: Receiver, relay) -> None:
    relay(database, routes={"send-receipt": route(receiver.url())}).start()
    done = database.shell("""INSERT INTO pending_tasks (type, payload) VALUES ('send-receipt', '{"order":"o_1"}');""")
    assert done.returncode == 0, done.stderr
    request = eventually(lambda: receiver.got())[0]
    assert request.body == b'{"order":"o_1"}'
    assert len(request.key) >= 32, "a random key of 128 bits"


def test_rows_written_before_the_first_start_and_while_it_is_down_are_delivered(
    database: Database, receiver: Receiver, relay
) -> None:
    before = database.insert_many(300, "before")
    running = relay(database, routes={"task": route(receiver.url())}).start()
    eventually(lambda: database.statuses() == {"completed": 300}, what=database.statuses)
    assert running.stop() == 0
    meanwhile = database.insert_many(300, "meanwhile")
    running.start()
    eventually(lambda: database.statuses() == {"completed": 600}, what=database.statuses)
    assert receiver.counts() == dict.fromkeys(before + meanwhile, 1)


def test_drain_ends_when_nothing_is_due_and_leaves_what_is_due_later(
    database: Database, receiver: Receiver, relay
) -> None:
    due = database.insert_many(50, "due")
    later = database.insert(type="task", run_at=database.later(3600))
    draining = relay(database, "--drain", routes={"task": route(receiver.url())}).spawn()
    assert draining.wait(30) == 0
    assert receiver.counts() == dict.fromkeys(due, 1)
    assert database.status(later) == "pending"


def test_a_route_on_the_command_line_needs_no_file(database: Database, receiver: Receiver, tallypost) -> None:
    id = database.insert(type="send-receipt", payload='{"a":1}')
    tallypost("run", "--database", database.url, "--route", f"send-receipt={receiver.url()}", "--drain").good()
    assert database.status(id) == "completed"
    assert receiver.one().body == b'{"a":1}'


def test_a_row_that_commits_after_higher_ids_is_found(postgres: PostgresDatabase, receiver: Receiver, relay) -> None:
    relay(postgres, routes={"task": route(receiver.url())}).start()
    # Two transactions that stay open while the relay goes far beyond their ids: one row with the time of its insert, one
    # with an old time of its own.
    slow, old = postgres.connect(), postgres.connect()
    postgres.run(slow, "BEGIN")
    low = postgres.insert(slow, type="task", idempotency_key="slow")
    postgres.run(old, "BEGIN")
    postgres.insert(old, type="task", idempotency_key="old", run_at=postgres.later(-86_400))
    postgres.insert_many(2_000, "ahead")
    eventually(lambda: postgres.statuses() == {"completed": 2_000}, 30, postgres.statuses)
    assert postgres.value("SELECT min(id) AS low FROM pending_tasks") > low

    postgres.run(slow, "COMMIT")
    eventually(lambda: receiver.got(key="slow"), 15, "the row with the lower id")
    postgres.run(old, "COMMIT")
    eventually(lambda: receiver.got(key="old"), 15, "the row with the old run_at")
    eventually(lambda: postgres.statuses() == {"completed": 2_002}, what=postgres.statuses)
    assert set(receiver.counts().values()) == {1}
    slow.close()
    old.close()


def test_a_key_is_unique_for_ever_and_on_conflict_do_nothing_dedupes(database: Database, receiver: Receiver, relay) -> None:
    relay(database, routes={"task": route(receiver.url())}).start()
    database.insert(type="task", idempotency_key="payment-o_1")
    sql = "INSERT INTO pending_tasks (type, idempotency_key) VALUES ('task', 'payment-o_1')"
    assert database.execute(f"{sql} ON CONFLICT DO NOTHING").rowcount == 0
    eventually(lambda: database.statuses() == {"completed": 1}, what=database.statuses)
    assert database.execute(f"{sql} ON CONFLICT DO NOTHING").rowcount == 0, "and after it was delivered, too"
    with pytest.raises(Exception, match="(?i)unique"):
        database.execute(sql)
    database.insert(type="task", idempotency_key="payment-o_2")
    eventually(lambda: receiver.got(key="payment-o_2"))
    assert receiver.counts() == {"payment-o_1": 1, "payment-o_2": 1}


def test_the_keys_of_nameless_rows_differ(database: Database, receiver: Receiver, relay) -> None:
    for _ in range(20):
        database.insert(type="task")
    relay(database, routes={"task": route(receiver.url())}).start()
    eventually(lambda: database.statuses() == {"completed": 20}, what=database.statuses)
    assert len(receiver.counts()) == 20

"""`wakeup: "poll"` through the real PgBouncer in transaction mode, where sessions belong to nobody."""

import os
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from harness.database import PostgresDatabase
from harness.ports import free_port
from harness.postgres import OWNER
from harness.receiver import Answer, Receiver
from harness.routes import route
from harness.waiting import eventually


@pytest.fixture
def bouncer(postgres: PostgresDatabase) -> Iterator[PostgresDatabase]:
    """The same database through a pooler with two server connections."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    assert os.access(program, os.X_OK), "pgbouncer is missing: install Debian's pgbouncer"
    folder = Path(tempfile.mkdtemp(prefix="tallypost-pgbouncer-"))
    folder.chmod(0o711)
    server, port = urlsplit(postgres.url), free_port()
    (folder / "users").write_text('"postgres" ""\n')
    (folder / "ini").write_text(f"""
        [databases]
        * = host={server.hostname} port={server.port}
        [pgbouncer]
        listen_addr = 127.0.0.1
        listen_port = {port}
        unix_socket_dir =
        auth_type = trust
        auth_file = {folder}/users
        pool_mode = transaction
        default_pool_size = 2
        server_reset_query =
        ignore_startup_parameters = extra_float_digits
    """.replace("\n        ", "\n"))
    if OWNER:
        for path in (folder, folder / "users", folder / "ini"):
            shutil.chown(path, OWNER["user"])
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [program, str(folder / "ini")], stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", start_new_session=True, **OWNER)
    database = PostgresDatabase(f"postgres://postgres@127.0.0.1:{port}{server.path}")

    def answers() -> bool:
        assert process.poll() is None, (folder / "log").read_text()
        try:
            psycopg.connect(database.url, connect_timeout=2).close()
            return True
        except psycopg.OperationalError:
            return False

    eventually(answers, 10)
    yield database
    database.close()
    process.terminate()
    process.wait(10)
    shutil.rmtree(folder, ignore_errors=True)


def test_tasks_are_delivered_through_a_pooler_in_transaction_mode(
    bouncer: PostgresDatabase, postgres: PostgresDatabase, receiver: Receiver, relay, tallypost
) -> None:
    receiver.on("/retried", [Answer(503), Answer()])
    routes = {
        "task": route(receiver.url(), retry={"schedule": ["50ms"]}), "retried": route(receiver.url("/retried")),
        "keyed": route(receiver.url("/keyed"))}
    # Two relays share two server connections: whatever one left in a session, the other would trip over.
    relays = [relay(bouncer, wakeup="poll", routes=routes).start() for _ in range(2)]
    keys = postgres.insert_many(1_000, "k")
    eventually(lambda: postgres.statuses() == {"completed": 1_000}, 30, postgres.statuses)
    retried = postgres.insert(type="retried")
    for number in range(10):
        postgres.insert(type="keyed", ordering_key="one", idempotency_key=f"keyed-{number}")
    eventually(lambda: postgres.statuses() == {"completed": 1_011}, 30, postgres.statuses)
    assert postgres.row(retried)["attempts"] == 2
    assert Counter(request.key for request in receiver.got("/tasks")) == dict.fromkeys(keys, 1)
    assert [request.key for request in receiver.got("/keyed")] == [f"keyed-{number}" for number in range(10)]
    sessions = postgres.query("SELECT count(*) AS n FROM pg_locks WHERE locktype = 'advisory'")
    assert sessions == [{"n": 0}], "no lock of a session is held"

    # One-shot commands go through it too.
    for command in (["status"], ["task", "list"], ["task", "show", str(retried)], ["route", "list"]):
        tallypost(*command, "--database", bouncer.url).good()
    assert [one.stop() for one in relays] == [0, 0]
    assert all("error" != line["level"] for one in relays for line in one.lines()), relays[0].text()


def test_a_pooler_that_drops_its_server_connections_is_no_end(
    bouncer: PostgresDatabase, postgres: PostgresDatabase, receiver: Receiver, relay
) -> None:
    running = relay(bouncer, wakeup="poll", routes={"task": route(receiver.url())}).start()
    for number in range(5):
        postgres.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()")
        postgres.insert(type="task", idempotency_key=f"k-{number}")
        eventually(lambda: postgres.statuses() == {"completed": number + 1}, 15, running.text)
    assert set(receiver.counts()) == {f"k-{number}" for number in range(5)}

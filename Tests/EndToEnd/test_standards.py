"""What others' tools say of the HTTP surface: schemathesis, promtool, and Prometheus itself."""

import json
import os
import random
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from harness.console import TOKEN, Console, free_port
from harness.database import Database
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually


@pytest.fixture
def console(tmp_path) -> Console:
    return Console(tmp_path)


def test_schemathesis_finds_nothing(database: Database, receiver: Receiver, relay, console, tmp_path) -> None:
    """The served document is true: what it promises holds for requests made up from it."""
    # Before the relay starts: it ends a group that it finds without members.
    database.execute("INSERT INTO task_groups (key) VALUES ('g')")
    database.insert_many(5, "k", group_key="g")
    running = relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    eventually(lambda: database.statuses() == {"completed": 5})
    seed = random.randrange(1 << 31)
    done = subprocess.run(
        [Path(sys.executable).parent / "st", "run", f"http://127.0.0.1:{console.admin}/openapi.json", "--header", f"Authorization: Bearer {TOKEN}",
         "--checks", "all", "--max-examples", os.environ.get("TALLYPOST_TEST_EXAMPLES", "25"), "--seed", str(seed), "--no-color",
         "--suppress-health-check", "all", "--generation-database", "none", "--warnings", "off"],
        cwd=tmp_path, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, f"seed {seed}\n{done.stdout[-12000:]}\n{done.stderr[-2000:]}"
    assert running.is_running


@pytest.mark.parametrize("accept", ["text/plain", "application/openmetrics-text; version=1.0.0"])
def test_promtool_finds_nothing(sqlite, receiver: Receiver, relay, console, accept: str) -> None:
    relay(sqlite, routes={"task": route(receiver.url())}, **console.keys).start()
    sqlite.insert_many(5, "k")
    eventually(lambda: sqlite.statuses() == {"completed": 5})
    eventually(lambda: b'tallypost_tasks_finished_total{type="task",status="completed"} 5' in console.call("GET", "/metrics").body, 15)
    reply = console.call("GET", "/metrics", Accept=accept)
    assert reply.status == 200
    if accept.startswith("text/plain"):
        checked = subprocess.run(["promtool", "check", "metrics"], input=reply.body, capture_output=True, timeout=30)
        assert checked.returncode == 0 and not checked.stderr.strip() and not checked.stdout.strip(), checked
    else:
        assert reply.body.endswith(b"# EOF\n") or not reply.headers["content-type"].startswith("application/openmetrics-text")


def test_prometheus_scrapes_two_relays(database: Database, receiver: Receiver, relay, tmp_path) -> None:
    consoles = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        consoles.append(Console(tmp_path / name))
        relay(database, routes={"task": route(receiver.url())}, **consoles[-1].keys).start()
    database.insert_many(40, "k")
    database.insert(type="task", run_at=database.later(3600))
    eventually(lambda: database.statuses() == {"completed": 40, "pending": 1}, 20, database.statuses)
    port = free_port()
    targets = ", ".join(f'"127.0.0.1:{console.admin}"' for console in consoles)
    (tmp_path / "prometheus.yml").write_text(
        f"scrape_configs:\n- job_name: tallypost\n  scrape_interval: 1s\n  authorization: {{ credentials: {TOKEN} }}\n"
        f"  static_configs: [{{ targets: [{targets}] }}]\n")
    server = subprocess.Popen(
        ["prometheus", f"--config.file={tmp_path}/prometheus.yml", f"--storage.tsdb.path={tmp_path}/tsdb", f"--web.listen-address=127.0.0.1:{port}"],
        stdout=subprocess.DEVNULL, stderr=open(tmp_path / "prometheus.log", "wb"), start_new_session=True)

    def ask(query: str) -> list[float]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/query?query={urllib.request.quote(query)}", timeout=5) as answer:
                return [float(row["value"][1]) for row in json.load(answer)["data"]["result"]]
        except OSError:
            return []

    try:
        eventually(lambda: ask("up") == [1, 1], 30, lambda: (tmp_path / "prometheus.log").read_text()[-2000:])
        eventually(lambda: ask('sum(tallypost_tasks_finished_total{type="task",status="completed"})') == [40], 20, lambda: ask("tallypost_tasks_finished_total"))
        eventually(lambda: ask('max(tallypost_tasks_pending{type="task"})') == [1], 20)
        assert ask("tallypost_database_up") == [1, 1]
    finally:
        server.terminate()
        server.wait(20)

"""The dashboard as a browser gets it: the page, its policy, its scripts, and what they make of the relay's own answers."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from harness.console import TOKEN, Console
from harness.database import Database, PostgresDatabase
from harness.postgres import PrivateServer, Scratch
from harness.receiver import Answer, Receiver
from harness.routes import route
from harness.waiting import eventually


@pytest.fixture
def console(tmp_path) -> Console:
    return Console(tmp_path)


def files(console: Console) -> dict[str, bytes]:
    """The page and all that it and its scripts name."""
    found: dict[str, bytes] = {}
    wanted = ["/"]
    while wanted:
        path = wanted.pop()
        if path in found:
            continue
        reply = console.ask(console.admin, "GET", path)
        assert reply.status == 200, path
        found[path] = reply.body
        text = reply.body.decode()
        wanted += re.findall(r'"(/dashboard/[a-z.]+)"', text) + ["/dashboard/" + name for name in re.findall(r"from '\./([a-z]+\.js)'", text)]
    return found


def overview(console: Console) -> dict:
    """The front page's figures, once every row was counted."""
    return eventually(lambda: (reply := console.call("GET", "/v1/overview").json)["statuses"] and reply, 15)


def test_the_page_needs_no_token_holds_no_data_and_names_only_what_is_ours(sqlite, receiver: Receiver, relay, console) -> None:
    relay(sqlite, routes={"task": route(receiver.url())}, **console.keys).start()
    page = console.ask(console.admin, "GET", "/")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = dict(part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'" and policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["form-action"] == policy["base-uri"] == "'none'"
    assert policy["require-trusted-types-for"] == "'script'"
    text = page.body.decode()
    assert not re.search(r"<script(?![^>]* src=)|<style|\son[a-z]+=|\sstyle=|https?://", text), "nothing inline, nothing from elsewhere"
    assert receiver.url("").rstrip("/") not in text
    for path in ("/v1/overview", "/v1/tasks", "/v1/findings", "/v1/reports", "/v1/runs"):
        assert console.ask(console.admin, "GET", path).status == 401
    assert console.ask(console.public, "GET", "/").status == 404
    assert console.ask(console.admin, "GET", "/", Host="rebound.example").status == 421


def test_its_scripts_draw_the_relays_own_answers(database: Database, receiver: Receiver, relay, console, tmp_path) -> None:
    receiver.always(Answer(422, b'{"error":"<b>no</b>"}'))
    relay(database, routes={"task": route(receiver.url()), "other": route(receiver.url())}, **console.keys).start()
    id = database.insert(type="task", subject="<img src=x onerror=alert(1)>", payload='{"big": 12345678901234567890}', amount_minor=5, currency="EUR")
    database.insert(type="other", run_at=database.later(3600))
    eventually(lambda: database.status(id) == "failed")
    eventually(lambda: {"type": "task", "counts": {"failed": 1}} in overview(console)["statuses"]["types"], 15)
    folder = tmp_path / "dashboard"
    folder.mkdir()
    (folder / "package.json").write_text('{"type":"module"}')
    for path, body in files(console).items():
        if path.endswith(".js"):
            (folder / Path(path).name).write_bytes(body)
            checked = subprocess.run(["node", "--check", folder / Path(path).name], capture_output=True, text=True, timeout=60)
            assert checked.returncode == 0, checked.stderr
    assert len(list(folder.glob("*.js"))) >= 10
    shutil.copy(Path(__file__).parent / "dashboard_checks.mjs", folder)
    done = subprocess.run(
        ["node", "dashboard_checks.mjs"], cwd=folder, capture_output=True, text=True, timeout=120,
        env={**os.environ, "OVERVIEW": json.dumps(overview(console)), "TASK": console.call("GET", f"/v1/tasks/{id}").body.decode()})
    assert done.returncode == 0 and re.search(r"^\d+ checks$", done.stdout, re.M), done.stdout + done.stderr


def test_the_front_pages_figures_agree_with_the_rows(database: Database, receiver: Receiver, relay, console) -> None:
    relay(database, routes={"task": route(receiver.url()), "later": route(receiver.url())}, **console.keys).start()
    database.insert_many(7, "k")
    for _ in range(3):
        database.insert(type="later", run_at=database.later(3600))
    eventually(lambda: database.statuses() == {"completed": 7, "pending": 3})
    assert console.call("POST", "/v1/routes/later/pause", {"why": "moving", "by": "ana"}).status == 200
    types = [{"type": "later", "counts": {"pending": 3}}, {"type": "task", "counts": {"completed": 7}}]
    eventually(lambda: overview(console)["statuses"]["types"] == types, 15, lambda: overview(console))
    figures = eventually(lambda: (found := overview(console))["pausedRoutes"] and found, 15)
    assert [(one["type"], one["by"], one["reason"]) for one in figures["pausedRoutes"]] == [("later", "ana", "moving")]
    assert figures["waiting"] == [{"type": "later", "pending": 3, "oldestAgeSeconds": 0.0}]
    assert figures["statuses"]["due"] == 0 and figures["relay"]["live"] and figures["database"] == {"up": True, "problem": None}
    finished = {one["type"]: one["finished"]["completed"] for one in figures["relay"]["types"]}
    assert finished["task"] == 7


def test_it_works_while_the_database_is_away_and_says_so(private_server: PrivateServer, receiver: Receiver, relay, tallypost, console) -> None:
    database = PostgresDatabase(Scratch(private_server.url).create())
    tallypost("init", "--database", database.url).good()
    relay(database, routes={"task": route(receiver.url())}, **console.keys).start()
    overview(console)
    database.close()
    private_server.stop("immediate")
    eventually(lambda: console.call("GET", "/v1/overview").json["database"] == {"up": False, "problem": "The database cannot be reached."}, 20)
    assert console.ask(console.admin, "GET", "/").status == 200
    assert console.call("GET", "/v1/overview").json["relay"]["live"]
    private_server.start()
    eventually(lambda: console.call("GET", "/v1/overview").json["database"]["up"], 30)
    assert TOKEN not in console.ask(console.admin, "GET", "/dashboard/client.js").body.decode()

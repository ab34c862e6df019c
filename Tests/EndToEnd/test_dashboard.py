"""The dashboard as a browser gets it: the page, its policy, its scripts, and what they make of the relay's own answers."""

import hashlib
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
    # The relay writes its own figures down once a second.
    eventually(lambda: {one["type"]: one["finished"]["completed"] for one in overview(console)["relay"]["types"]}["task"] == 7, 15)


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


def plant(database: Database, number: int, severity: str, amount: int) -> str:
    id = f"F-{number:016x}"
    database.execute(
        "INSERT INTO tallypost_findings (id, class, severity, rule, owner, type, subject, amount_minor, currency, detail, state, change, first_seen, last_seen, last_run, changed_at)"
        " VALUES (:id, 'done_twice', :severity, 'done_twice', 'payments', 'charge', :subject, :amount, 'GBP', 'twice', 'open', 'new', :at, :at, 1, :at)",
        id=id, severity=severity, subject=f"o_{number}", amount=amount, at="2026-11-20T08:00:00.000Z")
    return id


def test_findings_are_listed_acknowledged_and_resolved(database: Database, receiver: Receiver, relay, console) -> None:
    relay(database, routes={"charge": route(receiver.url())}, **console.keys).start()
    severities = {plant(database, number, severity, number * 100): severity for number, severity in enumerate(["low", "critical", "high", "critical", "medium"], 1)}
    pages, cursor = [], ""
    while cursor is not None:
        page = console.call("GET", "/v1/findings?limit=2" + (f"&cursor={cursor}" if cursor else "")).json
        pages, cursor = pages + page["findings"], page["next"]
    assert [one["severity"] for one in pages] == ["critical", "critical", "high", "medium", "low"]
    assert {one["id"] for one in pages} == set(severities)
    only = console.call("GET", "/v1/findings?severity=high&class=done_twice&owner=payments&type=charge&rule=done_twice&state=open").json["findings"]
    assert [(one["amountMinor"], one["currency"], one["subject"]) for one in only] == [("300", "GBP", "o_3")]

    first, second = pages[0]["id"], pages[1]["id"]
    done = console.call("POST", f"/v1/findings/{first}/ack", {"by": "ana", "reason": "the bank knows", "until": "2999-01-01T00:00:00Z"})
    assert done.status == 200, done
    found = console.call("GET", f"/v1/findings/{first}").json["finding"]
    assert (found["state"], found["by"], found["reason"], found["until"]) == ("acknowledged", "ana", "the bank knows", "2999-01-01T00:00:00.000Z")
    assert console.call("POST", f"/v1/findings/{second}/resolve", {"by": "bo", "reason": "refunded"}).status == 200
    again = console.call("POST", f"/v1/findings/{second}/ack", {"by": "bo", "reason": "refunded"})
    assert again.status == 409 and "is resolved" in again.json["detail"]
    assert console.call("POST", f"/v1/findings/{first}/ack", {"by": "ana"}).status == 400
    assert console.call("POST", "/v1/findings/F-ffffffffffffffff/ack", {"by": "ana", "reason": "x"}).status == 404
    counting = console.call("GET", "/v1/findings?state=open,acknowledged").json["findings"]
    assert {one["id"] for one in counting} == set(severities) - {second}
    assert database.value("SELECT count(*) FROM task_events WHERE event IN ('acknowledge', 'resolve')") == 2


def test_a_report_is_opened_in_a_tab_by_a_ticket_and_not_once_it_was_altered(database: Database, receiver: Receiver, relay, console, tmp_path) -> None:
    relay(database, routes={"charge": route(receiver.url())}, **console.keys).start()
    folder = tmp_path / "reports" / "2026-11"
    folder.mkdir(parents=True)
    page = b"<!doctype html><title>Report</title><p>" + b"x" * 3_000_000
    (folder / "r.html").write_bytes(page)
    manifest = json.dumps({"files": [{"name": "r.html", "sha256": hashlib.sha256(page).hexdigest()}]}).encode()
    (folder / "manifest.json").write_bytes(manifest)
    database.execute(
        "INSERT INTO tallypost_reports (label, zone, from_at, to_at, revision, run, as_of, status, directory, manifest_sha256, made_by)"
        " VALUES ('2026-11', 'UTC', :a, :b, 1, 1, :b, 'clean', :directory, :digest, 'ana')",
        a="2026-11-01T00:00:00.000Z", b="2026-12-01T00:00:00.000Z", directory=str(folder), digest=hashlib.sha256(manifest).hexdigest())
    (report,) = console.call("GET", "/v1/reports").json["reports"]
    assert (report["label"], report["files"], report["problem"]) == ("2026-11", ["r.html", "manifest.json"], None)
    assert console.call("GET", "/v1/runs").json == {"runs": []}
    path = "/v1/reports/2026-11/r.html"
    assert console.ask(console.admin, "GET", path).status == 401
    ticket = console.call("POST", f"{path}/ticket", {}).json["ticket"]
    opened = console.ask(console.admin, "GET", f"{path}?ticket={ticket}")
    assert opened.status == 200 and opened.body == page and opened.headers["content-security-policy"].startswith("sandbox")
    assert console.ask(console.admin, "GET", f"{path}?ticket={ticket}").status == 401
    (folder / "r.html").write_bytes(page[:-1] + b"y")
    assert console.call("GET", path).status == 409
    for name in ("..%2f..%2fetc%2fpasswd", "nope.html", "%2fetc%2fpasswd"):
        assert console.call("GET", f"/v1/reports/2026-11/{name}").status == 404

"""What a rule holds is not sent without its row, and what a receiver has forgotten not without a second person."""

import json
from pathlib import Path

import pytest

from harness.cli import CommandLine
from harness.console import Console
from harness.database import Database
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually
from test_restore import events

RULE = """-- rule: charge-has-order
-- severity: critical
-- owner: payments
-- hold: yes
-- expect: one completed charge per orders.id where state = 'paid'
"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "charge-has-order.sql").write_text(RULE)
    return folder


def orders(database: Database) -> None:
    database.execute("CREATE TABLE orders (id TEXT PRIMARY KEY, state TEXT NOT NULL)")
    database.execute("INSERT INTO orders VALUES ('o_1', 'paid'), ('o_2', 'open')")


def due_again(database: Database, *ids: int) -> None:
    """The minute is over."""
    for id in ids:
        database.execute("UPDATE pending_tasks SET run_at = :now WHERE id = :id", now=database.later(-1), id=id)


def test_a_task_without_its_row_is_held_and_goes_when_the_row_appears(
    database: Database, receiver: Receiver, relay, tallypost: CommandLine, rules: Path
) -> None:
    orders(database)
    ids = {
        subject: database.insert(type="charge", subject=subject, idempotency_key=f"k-{subject}")
        for subject in ("o_1", "o_2", "o_9")}
    nobody = database.insert(type="charge")
    free = database.insert(type="mail", subject="o_9")
    one = relay(
        database, reconcile={"rules": str(rules)},
        routes={"charge": route(receiver.url()), "mail": route(receiver.url())}).start()
    eventually(lambda: database.statuses() == {"completed": 2, "pending": 3}, 15, database.statuses)
    eventually(lambda: database.row(nobody)["last_error"], 15)
    assert database.status(ids["o_1"]) == database.status(free) == "completed"
    row = database.row(ids["o_9"])
    assert row["last_error"] == "held: no row of orders with id o_9 where state = 'paid' (rule charge-has-order)"
    assert "no subject" in database.row(nobody)["last_error"]
    assert (row["attempts"], row["lease_expires_at"], database.attempts(ids["o_9"])) == (0, None, [])
    assert str(row["run_at"]) > str(database.later(50)), "not before a minute has passed"
    assert str(row["run_at"]) < str(database.later(61))
    explained = tallypost("task", "explain", str(ids["o_9"]), "--database", database.url).good().out
    assert "A rule held it before dispatch" in explained and "no row of orders with id o_9" in explained
    assert "3 tasks are held by a rule before dispatch, of type charge" in tallypost("status", "--database", database.url).good().out
    assert tallypost("status", "--json", "--database", database.url).good().json["heldByRules"] == {"charge": 3}

    # Still not there: held again, for longer.
    due_again(database, ids["o_9"])
    eventually(lambda: str(database.row(ids["o_9"])["run_at"]) > str(database.later(100)), 15, one.text)
    database.execute("INSERT INTO orders VALUES ('o_9', 'paid')")
    database.execute("UPDATE orders SET state = 'paid' WHERE id = 'o_2'")
    due_again(database, ids["o_9"], ids["o_2"])
    eventually(lambda: database.statuses() == {"completed": 4, "pending": 1}, 15, database.statuses)
    assert database.row(ids["o_9"])["attempts"] == 1
    assert receiver.counts()["k-o_9"] == receiver.counts()["k-o_2"] == 1
    assert database.status(nobody) == "pending"


def test_a_rule_that_cannot_be_asked_holds_its_tasks_and_no_others(
    database: Database, receiver: Receiver, relay, rules: Path
) -> None:
    charge = database.insert(type="charge", subject="o_1")
    keys = database.insert_many(200, "m", type="mail")
    one = relay(
        database, reconcile={"rules": str(rules)},
        routes={"charge": route(receiver.url()), "mail": route(receiver.url())}).start()
    eventually(lambda: database.statuses() == {"completed": 200, "pending": 1}, 20, database.statuses)
    eventually(lambda: "cannot be asked" in (database.row(charge)["last_error"] or ""), 15, one.text)
    assert "orders" in database.row(charge)["last_error"] and len(one.lines("a rule cannot be asked")) == 1
    assert receiver.counts() == dict.fromkeys(keys, 1)
    # The table is made: the task goes by itself.
    orders(database)
    due_again(database, charge)
    eventually(lambda: database.status(charge) == "completed", 15, one.text)


def test_rules_are_read_at_the_start_and_at_a_reload(
    database: Database, receiver: Receiver, relay, tallypost: CommandLine, tmp_path: Path, rules: Path
) -> None:
    orders(database)
    config = {
        "database": database.url, "reconcile": {"rules": str(rules)}, "routes": {"charge": route(receiver.url())}}
    file = rules / "charge-has-order.sql"
    file.write_text("-- rule: charge-has-order\n-- expekt: nonsense\n")
    (tmp_path / "broken.json5").write_text(json.dumps(config))
    assert "charge-has-order.sql" in tallypost("run", "--config", tmp_path / "broken.json5").exited(78).err

    file.write_text(RULE)
    one = relay(config=config).start()
    held = database.insert(type="charge", subject="o_2")
    eventually(lambda: (database.row(held)["last_error"] or "").startswith("held: "), 15, one.text)
    file.write_text("-- rule: charge-has-order\n-- expekt: nonsense\n")
    one.reload(config)
    assert one.lines("the old one stays in force")
    due_again(database, held)
    eventually(lambda: str(database.row(held)["run_at"]) > str(database.later(30)), 15, "held by the old rule")
    file.write_text(RULE.replace("-- hold: yes\n", ""))
    one.reload(config)
    due_again(database, held)
    eventually(lambda: database.status(held) == "completed", 15, one.text)


def test_a_held_head_holds_its_ordering_key(database: Database, receiver: Receiver, relay, rules: Path) -> None:
    orders(database)
    head = database.insert(type="charge", subject="o_9", ordering_key="c")
    behind = database.insert(type="charge", subject="o_1", ordering_key="c")
    free = database.insert(type="charge", subject="o_1", ordering_key="d")
    relay(database, reconcile={"rules": str(rules)}, routes={"charge": route(receiver.url())}).start()
    eventually(lambda: database.status(free) == "completed" and database.row(head)["last_error"], 15, database.rows)
    assert database.status(behind) == "pending"
    database.execute("INSERT INTO orders VALUES ('o_9', 'paid')")
    due_again(database, head)
    eventually(lambda: database.statuses() == {"completed": 3}, 15, database.statuses)
    assert [request.task for request in receiver.got()] in ([free, head, behind], [head, behind, free])


@pytest.fixture
def forgetful(database: Database, tmp_path: Path) -> Path:
    """A route whose receiver remembers keys for a day, and three dead letters: two of them are older, or are of another route."""
    file = tmp_path / "tallypost.json5"
    routes = {"charge": {"url": "http://127.0.0.1:9/", "keyRetention": "24h"}, "mail": {"url": "http://127.0.0.1:9/"}}
    file.write_text(json.dumps({"database": database.url, "routes": routes}))
    for key, type, hours in (("old", "charge", -25), ("young", "charge", -23), ("mail", "mail", -500)):
        id = database.insert(type=type, idempotency_key=key)
        database.execute(
            "UPDATE pending_tasks SET status = 'failed', attempts = 3, started_at = :at, finished_at = :at WHERE id = :id",
            at=database.later(hours * 3600), id=id)
    return file


def test_a_redrive_past_key_retention_needs_a_second_person(
    database: Database, tallypost: CommandLine, forgetful: Path
) -> None:
    ids = {row["idempotency_key"]: str(row["id"]) for row in database.rows()}
    retry = ("task", "retry", "--config", forgetful, "--by", "mara", "--why", "w")
    refused = tallypost(*retry, ids["old"]).exited(65).err
    assert "remembers idempotency keys (charge: 1 d" in refused or "charge: 24" in refused, refused
    assert "--approved-by" in refused and database.statuses() == {"failed": 3}
    assert "same person" in tallypost(*retry, ids["old"], "--approved-by", " MARA ").exited(65).err
    assert "--approved-by needs --by" in tallypost(
        "task", "retry", "--config", forgetful, ids["old"], "--approved-by", "jo").exited(64).err
    tallypost(*retry, ids["young"]).good()
    tallypost(*retry, ids["mail"]).good()
    assert database.statuses() == {"failed": 1, "pending": 2}
    tallypost(*retry, ids["old"], "--approved-by", "jo").good()
    assert database.statuses() == {"pending": 3}
    assert [event[:2] for event in events(database)] == [("retry", "mara"), ("retry", "mara"), ("retry", "mara, approved by jo")]


def test_in_bulk_what_the_receiver_has_forgotten_is_left_out(
    database: Database, tallypost: CommandLine, forgetful: Path
) -> None:
    done = tallypost("task", "retry", "--config", forgetful, "--status", "failed", "--yes", "--by", "mara").good()
    assert "1 of 3 tasks" in done.err and "left out" in done.err and "2 tasks retried" in done.out
    (left,) = database.query("SELECT * FROM pending_tasks WHERE status = 'failed'")
    assert left["idempotency_key"] == "old"
    assert "not checked" in tallypost("task", "retry", "--database", database.url, str(left["id"])).good().err


def test_the_api_wants_a_second_person_too(
    database: Database, receiver: Receiver, relay, tmp_path: Path, forgetful: Path
) -> None:
    console = Console(tmp_path)
    database.execute("INSERT INTO task_routes (type, paused_at, paused_by, reason) VALUES ('charge', :now, 't', 't')", now=database.later(0))
    relay(database, routes={"charge": route(receiver.url(), keyRetention="24h"), "mail": route(receiver.url())}, **console.keys).start()
    (old,) = database.query("SELECT id FROM pending_tasks WHERE idempotency_key = 'old'")
    path = f"/v1/tasks/{old['id']}/retry"
    refused = console.call("POST", path, {"by": "mara"})
    assert refused.status == 409 and "approvedBy" in refused.json["detail"]
    assert console.call("POST", path, {"by": "mara", "approvedBy": "Mara"}).status == 409
    bulk = console.call("POST", "/v1/tasks/retry", {"filter": {"type": "charge"}, "dryRun": True})
    assert bulk.json == {"count": 1, "pastKeyRetention": 1}
    assert console.call("POST", path, {"by": "mara", "approvedBy": "jo"}).status == 200
    assert ("retry", "mara, approved by jo", "") in events(database)

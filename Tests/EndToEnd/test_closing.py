"""Closing a period: the report, its two signatures, what verify finds, and that what was told does not change."""

import json
import re
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from harness.database import Database, PostgresDatabase
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually
from test_reconcile import RULE, Shop


@pytest.fixture
def shop(empty_database: Database, tmp_path: Path, tallypost: Any) -> Shop:
    made = Shop(empty_database, tmp_path, tallypost, 500)
    key = tmp_path / "close.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "ed25519", "-out", key], check=True, capture_output=True)
    config = json.loads(made.config.read_text())
    config["reconcile"] |= {"signingKey": f"file:{key}", "zone": "Europe/London", "environment": "test"}
    made.config.write_text(json.dumps(config))
    return made


def write(shop: Shop, period: str, code: int = 0) -> Path:
    """Writes a period's report; its directory."""
    done = shop.tallypost("reconcile", "--period", period, "--report", "--config", str(shop.config)).exited(code)
    return Path(re.search(r"report written: (.*)", done.err)[1])


def test_a_report_is_signed_by_two_and_verify_names_the_first_thing_that_differs(shop: Shop) -> None:
    report = write(shop, "yesterday")
    assert re.fullmatch(r"tallypost-recon_test_send-receipt_\d{4}-\d\d-\d\d_Europe-London_r1", report.name)
    sign = ("sign", str(report), "--config", str(shop.config))
    shop.tallypost(*sign, "--role", "preparer", "--by", "Anna").good()
    same = shop.tallypost(*sign, "--role", "reviewer", "--by", " anna ").exited(65)
    assert "two different people" in same.err
    shop.tallypost(*sign, "--role", "reviewer", "--by", "Ben", "--note", "seen").good()
    shop.tallypost(*sign, "--role", "preparer", "--by", "Carla").exited(65)
    verify = ("verify", str(report / "manifest.json"))
    assert {name["by"] for name in shop.tallypost(*verify, "--json").good().json["signOffs"]} == {"Anna", "Ben"}
    for file in sorted(report.iterdir()):
        before = file.read_bytes()
        after = bytearray(before)
        after[len(after) // 2] ^= 1
        file.write_bytes(after)
        assert file.name in shop.tallypost(*verify).exited(65).out, file.name
        file.write_bytes(before)
    shop.tallypost(*verify).good()
    # A report that is altered is signed by nobody.
    second = write(shop, "yesterday")
    assert second.name.endswith("_r2")
    csv = next(second.glob("*_rollforward.csv"))
    csv.write_bytes(csv.read_bytes() + b"x")
    refused = shop.tallypost("sign", str(second), "--role", "preparer", "--by", "Anna", "--config", str(shop.config)).exited(65)
    assert csv.name in refused.err


def test_a_period_that_was_told_does_not_change_when_rows_arrive_late(shop: Shop) -> None:
    def lines(period: str, code: int) -> list[dict[str, Any]]:
        return shop.reconcile("--period", period, code=code)["rollForward"]

    before = lines("yesterday", 0)
    created = sum(line["created"]["count"] for line in before)
    shop.task(
        type="'send-receipt'", subject="'o_late'", created_at=shop.past(86_400), run_at=shop.past(86_400), amount_minor="300",
        currency="'EUR'", idempotency_key="'receipt-late'")
    shop.database.execute(
        f"INSERT INTO orders VALUES ('o_late', 'paid', 300, 'EUR', {shop.past(86_400)})")
    assert lines("yesterday", 3) == before, "it is recorded today"
    today = lines("today", 3)
    late = next(line for line in today if line["currency"] == "EUR")
    assert late["late"]["count"] == 1 and late["created"]["count"] >= 1
    assert created == sum(line["created"]["count"] for line in lines("yesterday", 3))
    # Yesterday's closing is today's opening.
    opening = {(line["type"], line["currency"]): line["opening"] for line in today}
    for line in lines("yesterday", 3):
        assert opening.get((line["type"], line["currency"]), {"count": 0, "amountMinor": "0"}) == line["closing"]


def test_relays_reconcile_in_turns_and_tell_a_break_once(shop: Shop, receiver: Receiver, relay: Any) -> None:
    rules = shop.folder / "rules"
    (rules / "paid-order-has-receipt.sql").write_text(RULE)
    shop.database.execute("DELETE FROM pending_tasks WHERE subject = 'o_9'")
    config = {
        "routes": {"send-receipt": route(receiver.url())},
        "reconcile": {"every": "1s", "rules": str(rules), "reports": str(shop.folder / "reports")},
        "alerts": [{"name": "finance", "url": receiver.url("/alerts")}],
    }
    both = [relay(shop.database, **config).start() for _ in range(2)]
    runs = lambda: shop.database.query("SELECT run, made_by, status FROM tallypost_runs ORDER BY run")  # noqa: E731
    eventually(lambda: len(runs()) >= 3, 60, lambda: (runs(), both[0].text()))
    assert [row["run"] for row in runs()] == list(range(1, len(runs()) + 1))
    told = lambda: [r for r in receiver.requests if r.path == "/alerts"]  # noqa: E731
    eventually(lambda: told(), 20, lambda: both[0].text())
    body = json.loads(told()[0].body)
    assert body["event"] == "alert.firing" and body["alert"]["rule"] == "paid-order-has-receipt" and body["alert"]["count"] == 1
    # The day that ended has a report, once.
    eventually(lambda: list((shop.folder / "reports").glob("*")), 30, lambda: both[0].text())
    shop.database.execute("UPDATE orders SET state = 'refunded' WHERE id = 'o_9'")
    eventually(lambda: len(told()) >= 2, 60, lambda: (runs(), both[0].text()))
    assert [json.loads(r.body)["event"] for r in told()] == ["alert.firing", "alert.resolved"]
    assert Counter(row["label"] for row in shop.database.query("SELECT label FROM tallypost_reports")).most_common(1)[0][1] == 1
    for one in both:
        one.stop()


def test_a_stop_breaks_off_a_rule_that_takes_long(postgres: PostgresDatabase, receiver: Receiver, relay: Any, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules/slow.sql").write_text(
        "-- rule: slow\n-- severity: low\n-- owner: ops\nSELECT id AS key FROM (SELECT pg_sleep(300), 1 AS id) AS slow\n")
    working = "SELECT count(*) AS n FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(300), 1 AS id%' AND pid <> pg_backend_pid()"
    one = relay(
        postgres, routes={"task": route(receiver.url())}, reconcile={"every": "1s", "rules": str(tmp_path / "rules")}).start()
    eventually(lambda: postgres.query(working)[0]["n"] == 1, 30, one.text)
    assert one.stop() == 0
    eventually(lambda: postgres.query(working)[0]["n"] == 0, 5, "the server goes on with it")
    assert postgres.query("SELECT count(*) AS n FROM tallypost_runs")[0]["n"] == 0, "a run that was broken off tells nothing"
    assert not one.lines("reconciliation failed")


def test_the_workbook_opens_with_the_figures_of_the_report(shop: Shop) -> None:
    report = write(shop, "this-month")
    book = openpyxl.load_workbook(next(report.glob("*.xlsx")))
    told = json.loads(next(report.glob("*_r1.json")).read_text())
    (line,) = [line for line in told["rollForward"] if line["currency"] == "JPY"]
    rows = list(book["Roll-forward"].iter_rows(values_only=True))
    (created,) = [row for row in rows if row[:3] == ("send-receipt", "JPY", "created")]
    assert created[5:7] == (line["created"]["count"], int(line["created"]["amountMinor"]))
    for cells in (cell for one in book.worksheets for row in one.iter_rows() for cell in row):
        assert cells.data_type != "f", f"a formula: {cells.coordinate}"

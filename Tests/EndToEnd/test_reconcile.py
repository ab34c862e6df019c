"""Reconciliation on the built program: every class of break planted among many rows is found, and nothing else is."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from harness.database import Database

ORDERS = 200_000
RULE = """-- rule: paid-order-has-receipt
-- severity: high
-- owner: finance-ops
-- grace: 15m
-- expect: one completed send-receipt per orders.id where state = 'paid' amount total_minor currency currency at paid_at
"""


def at(engine: str, seconds: str) -> str:
    """SQL for so many seconds before now; `seconds` is SQL itself."""
    if engine == "sqlite":
        return f"strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-' || ({seconds}) || ' seconds')"
    return f"clock_timestamp() - ({seconds}) * interval '1 second'"


def fill(database: Database, count: int) -> None:
    """`count` paid orders in three currencies over some twenty days, each with its receipt, sent two seconds later."""
    sqlite = database.engine == "sqlite"
    time = "TEXT" if sqlite else "timestamptz"
    database.execute(f"CREATE TABLE orders (id TEXT PRIMARY KEY, state TEXT, total_minor BIGINT, currency TEXT, paid_at {time})")
    numbers = (
        f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT"
        if sqlite
        else f"WITH n(i) AS (SELECT generate_series(1, {count})) SELECT"
    )
    age = f"1800000.0 - i * 1790000.0 / {count}"
    currency = "CASE i % 3 WHEN 0 THEN 'GBP' WHEN 1 THEN 'EUR' ELSE 'JPY' END"
    amount = "100 + i % 9973"
    database.execute(
        f"INSERT INTO orders {numbers} 'o_' || i, 'paid', {amount}, {currency}, {at(database.engine, age)} FROM n"
    )
    columns = "type, payload, idempotency_key, subject, amount_minor, currency, run_at, created_at, started_at, finished_at"
    database.execute(
        f"INSERT INTO pending_tasks ({columns}, status, attempts, lease_epoch, response_status) "
        f"{numbers} 'send-receipt', '{{}}', 'receipt-o_' || i, 'o_' || i, {amount}, {currency}, {at(database.engine, age)}, "
        f"{at(database.engine, age)}, {at(database.engine, age + ' - 1')}, {at(database.engine, age + ' - 2')}, "
        "'completed', 1, 1, 200 FROM n"
    )


class Shop:
    """A database with orders, their tasks, a configuration and a rule."""

    def __init__(self, database: Database, folder: Path, tallypost: Any, orders: int) -> None:
        self.database, self.folder, self.tallypost = database, folder, tallypost
        self.url = database.url
        (folder / "rules").mkdir()
        (folder / "rules" / "paid-order-has-receipt.sql").write_text(RULE)
        self.config = folder / "tallypost.json5"
        self.config.write_text(
            json.dumps(
                {
                    "database": self.url,
                    "routes": {
                        "send-receipt": {"url": "http://127.0.0.1:1/receipts"},
                        "notify": {"url": "http://127.0.0.1:1/notify"},
                        "report": {"url": "http://127.0.0.1:1/report", "sla": "1h"},
                    },
                    "reconcile": {"staleAfter": "1h", "rules": "rules", "reports": str(folder / "reports")},
                }
            )
        )
        tallypost("init", "--database", self.url).good()
        fill(database, orders)

    def reconcile(self, *options: str, code: int) -> dict[str, Any]:
        return self.tallypost("reconcile", "--config", str(self.config), "--json", *options).exited(code).json

    def past(self, seconds: float) -> str:
        return at(self.database.engine, str(seconds))

    def task(self, **columns: str) -> int:
        """Inserts a task; values are SQL."""
        columns = {"type": "'notify'", **columns}
        names, values = ", ".join(columns), ", ".join(columns.values())
        return self.database.value(f"INSERT INTO pending_tasks ({names}) VALUES ({values}) RETURNING id")

    def plant(self) -> Counter:
        """One or more breaks of each class; how many."""
        do = self.database.execute
        now, hour, day = self.past(0), self.past(3_600), self.past(86_400)
        for n in range(3):
            self.task(run_at=self.past(7_300 + n), created_at=self.past(7_400))
        self.task(status="'processing'", attempts="1", lease_epoch="1", lease_expires_at=self.past(600), created_at=self.past(700))
        self.task(deadline_at=self.past(60), created_at=self.past(120), amount_minor="700", currency="'EUR'")
        done = {"status": "'completed'", "attempts": "1", "lease_epoch": "1", "response_status": "200"}
        self.task(**done, type="'report'", created_at=day, started_at=day, finished_at=self.past(86_400 - 7_200))
        for n in range(2):
            self.task(status="'failed'", attempts="8", finished_at=now, created_at=hour, last_error="'HTTP 500'")
        self.task(type="'mystery'", created_at=self.past(30))
        self.task(**done, created_at=hour)  # completed without an end
        self.task(status="'paused'", created_at=self.past(30))  # a status that nobody knows
        self.task(amount_minor="5", created_at=self.past(20))  # an amount without a currency
        # Business rows and tasks.
        do("DELETE FROM pending_tasks WHERE idempotency_key IN ('receipt-o_1000', 'receipt-o_1001')")
        do("DELETE FROM orders WHERE id = 'o_2000'")
        do("UPDATE orders SET state = 'refunded' WHERE id = 'o_2001'")
        self.task(
            **done, type="'send-receipt'", subject="'o_3000'", idempotency_key="'again-o_3000'", amount_minor="100 + 3000 % 9973",
            currency="'GBP'", created_at=hour, finished_at=hour)
        do("UPDATE orders SET total_minor = total_minor + 250 WHERE id = 'o_4000'")
        do("UPDATE orders SET currency = 'USD' WHERE id = 'o_5000'")
        return Counter(
            stale_pending=3, stuck_processing=1, deadline_passed=1, sla_breach=1, failed=2, unknown_type=1, invalid=3, missing=2,
            orphan=2, duplicate=1, amount_mismatch=1, currency_mismatch=1)


@pytest.fixture
def shop(request: pytest.FixtureRequest, empty_database: Database, tmp_path: Path, tallypost: Any) -> Shop:
    return Shop(empty_database, tmp_path, tallypost, getattr(request, "param", 3_000))


def residuals(report: dict[str, Any]) -> set[tuple[int, int]]:
    """Count and amount of every residual that the report has."""
    lines = report["rollForward"] + report["bridges"]["business"] + report["bridges"]["receiver"]
    return {(line["residual"]["count"], int(line["residual"]["amountMinor"] or 0)) for line in lines}


@pytest.mark.parametrize("shop", [ORDERS], indirect=True)
def test_every_planted_break_is_found_and_nothing_else_and_then_one_row_changed_by_hand(shop: Shop) -> None:
    assert shop.reconcile(code=0)["status"] == "clean", "nothing is planted yet"
    # The register was written after this: what is planted from now on must not look like a change by hand.
    shop.database.execute("DELETE FROM tallypost_register")
    shop.database.execute("DELETE FROM tallypost_movements")
    shop.database.execute("UPDATE tallypost_reconciler SET as_of = NULL")
    planted = shop.plant()
    first = shop.reconcile(code=3)
    assert Counter(finding["class"] for finding in first["findings"]) == planted
    assert residuals(first) == {(0, 0)}
    second = shop.reconcile(code=3)
    assert {finding["id"] for finding in first["findings"]} == {finding["id"] for finding in second["findings"]}
    assert [f["firstSeen"] for f in sorted(second["findings"], key=lambda f: f["id"])] == [
        f["firstSeen"] for f in sorted(first["findings"], key=lambda f: f["id"])
    ]

    row = shop.database.query("SELECT id, amount_minor, currency FROM pending_tasks WHERE idempotency_key = 'receipt-o_777'")[0]
    shop.database.execute("UPDATE pending_tasks SET amount_minor = amount_minor + 4321 WHERE idempotency_key = 'receipt-o_777'")
    changed = shop.reconcile(code=4)
    fresh = [f for f in changed["findings"] if f["id"] not in {finding["id"] for finding in first["findings"]}]
    assert Counter(f["class"] for f in fresh) == Counter(unexplained_change=1, amount_mismatch=1)
    assert [f["amountMinor"] for f in fresh] == ["4321", "4321"]
    assert {f["taskID"] for f in fresh} == {str(row["id"])}
    assert "receipt-o_777" in {f["idempotencyKey"] for f in fresh}
    line = next(
        line for line in changed["rollForward"] if line["type"] == "send-receipt" and line["currency"] == row["currency"])
    assert line["residual"] == {"count": 0, "amountMinor": "4321"}
    assert changed["status"] == "incomplete"


def test_a_row_deleted_by_hand_surfaces_as_its_exact_count_and_amount(shop: Shop) -> None:
    shop.reconcile(code=0)
    row = shop.database.query("SELECT id, amount_minor, currency FROM pending_tasks WHERE subject = 'o_42'")[0]
    shop.database.execute("DELETE FROM pending_tasks WHERE subject = 'o_42'")
    report = shop.reconcile(code=4)
    assert Counter(f["class"] for f in report["findings"]) == Counter(unexplained_change=1, missing=1)
    line = next(line for line in report["rollForward"] if line["currency"] == row["currency"])
    assert line["residual"] == {"count": -1, "amountMinor": str(-row["amount_minor"])}
    # It stays until a person says what it was.
    again = shop.reconcile(code=4)
    assert Counter(f["class"] for f in again["findings"]) == Counter(unexplained_change=1, missing=1)
    vanished = next(f["id"] for f in again["findings"] if f["class"] == "unexplained_change")
    shop.tallypost(
        "break", "resolve", vanished, "--by", "anna", "--reason", "removed on request of the customer", "--config", str(shop.config)
    ).good()
    last = shop.reconcile(code=3)
    assert Counter(f["class"] for f in last["findings"]) == Counter(missing=1)
    assert residuals(last) == {(0, 0)}


def test_what_people_do_with_events_is_no_break(shop: Shop) -> None:
    shop.reconcile(code=0)
    id = shop.database.value("SELECT id FROM pending_tasks WHERE subject = 'o_7'")
    shop.tallypost("task", "retry", str(id), "--by", "anna", "--why", "asked for again", "--config", str(shop.config)).good()
    report = shop.reconcile(code=3)
    assert Counter(f["class"] for f in report["findings"]) == Counter(status_mismatch=1), "it is pending again, and that is all"
    line = next(line for line in report["rollForward"] if line["reopened"]["count"] == 1)
    assert line["residual"]["count"] == 0 and line["closing"]["count"] == 1


def test_a_rule_that_cannot_be_run_makes_the_report_incomplete_and_clears_nothing(shop: Shop) -> None:
    shop.database.execute("DELETE FROM pending_tasks WHERE subject = 'o_9'")
    first = shop.reconcile(code=3)
    assert [f["class"] for f in first["findings"]] == ["missing"]
    shop.database.execute("ALTER TABLE orders RENAME TO orders_away")
    second = shop.reconcile(code=4)
    assert [f["id"] for f in second["findings"]] == [f["id"] for f in first["findings"]]
    assert any("paid-order-has-receipt" in reason for reason in second["incompleteBecause"])
    shop.database.execute("ALTER TABLE orders_away RENAME TO orders")
    shop.database.execute("DELETE FROM orders WHERE id = 'o_9'")
    assert shop.reconcile(code=0)["findings"] == []


def test_an_acknowledged_break_counts_and_a_resolved_one_that_is_there_again_reopens(shop: Shop) -> None:
    shop.database.execute("DELETE FROM pending_tasks WHERE subject = 'o_9'")
    finding = shop.reconcile(code=3)["findings"][0]
    by = ("--by", "anna", "--config", str(shop.config))
    shop.tallypost("break", "ack", finding["id"], "--reason", "the shop sends it by hand", *by).good()
    assert [f["state"] for f in shop.reconcile(code=3)["findings"]] == ["acknowledged"]
    shop.tallypost("break", "resolve", finding["id"], "--reason", "sent", *by).good()
    again = shop.reconcile(code=3)["findings"][0]
    assert (again["id"], again["state"], again["change"], again["firstSeen"]) == (
        finding["id"], "open", "reopened", finding["firstSeen"])
    listed = shop.tallypost("break", "list", "--json", "--config", str(shop.config)).good().json
    assert [f["id"] for f in listed["findings"]] == [finding["id"]]
    shop.tallypost("break", "ack", "F-0000000000000000", "--reason", "x", *by).exited(65)
    shop.tallypost("break", "ack", finding["id"], *by).exited(64)
    over = ("--reason", "x", "--until", "2020-01-01")
    assert "is over already" in shop.tallypost("break", "ack", finding["id"], *over, *by).exited(64).err

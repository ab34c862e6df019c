"""Rules on real databases: every class is found and nothing else, examples say so, and backfill adds what is missing."""

import json
import re
import threading
from pathlib import Path

import pytest

RULE = """-- rule: paid
-- severity: high
-- owner: finance
-- grace: 15m
-- critical_over: EUR 1000.00
-- expect: one completed send-receipt per orders.id
--   where state = 'paid' amount total_minor currency currency at paid_at
"""

SETUP = """
CREATE TABLE orders (id varchar(20), state text, total_minor bigint, currency char(3), paid_at {time});
-- What is as it should be, in every case.
INSERT INTO orders VALUES ('good', 'paid', 4200, 'EUR', '2026-11-01T10:00:00Z'), ('draft', 'new', 100, 'EUR', NULL);
INSERT INTO pending_tasks (type, subject, amount_minor, currency, status, created_at, finished_at)
    VALUES ('send-receipt', 'good', 4200, 'EUR', 'completed', '2026-11-01T10:00:00Z', '2026-11-01T10:00:05Z'),
           ('send-receipt', 'good', 4200, 'EUR', 'cancelled', '2026-11-01T10:00:00Z', '2026-11-01T10:00:05Z'),
           ('other', 'o_9', 4200, 'EUR', 'pending', '2026-11-01T10:00:00Z', NULL);
"""

ORDER = "INSERT INTO orders VALUES ('o_1', 'paid', {amount}, '{currency}', '2026-11-01T10:00:00Z');\n"
TASK = """INSERT INTO pending_tasks (type, subject, amount_minor, currency, status, created_at)
    VALUES ('send-receipt', {subject}, {amount}, '{currency}', '{status}', '2026-11-01T10:00:00Z');\n"""


def order(amount: int = 4200, currency: str = "EUR") -> str:
    return ORDER.format(amount=amount, currency=currency)


def task(status: str = "completed", subject: str = "'o_1'", amount: int | str = 4200, currency: str = "EUR") -> str:
    return TASK.format(status=status, subject=subject, amount=amount, currency=currency)


CASES = {
    "nothing is wrong": ("", ["nothing"]),
    "one order, one receipt": (order() + task(), ["nothing"]),
    "a paid order without a receipt": (order(), ["missing o_1 4200 EUR"]),
    "only a cancelled receipt": (order() + task("cancelled"), ["missing o_1 4200 EUR"]),
    "a receipt without an order": (task(), ["orphan o_1 4200 EUR"]),
    "a receipt of an order that is not paid": (task("pending", "'draft'", 100), ["orphan draft 100 EUR"]),
    "a receipt about nothing": (task("pending", "NULL"), ["orphan ''"]),
    "two receipts": (order() + task() + task("pending"), ["duplicate o_1 4200 EUR"]),
    "three receipts, of which one says something else": (order() + task() + task() + task("pending", amount=1), ["duplicate o_1 4201 EUR"]),
    "another amount": (order() + task(amount=4100), ["amount_mismatch o_1 -100 EUR"]),
    "another currency": (order() + task(currency="GBP"), ["currency_mismatch o_1 4200 GBP"]),
    "not done yet": (order() + task("pending"), ["status_mismatch o_1 4200 EUR"]),
    "a dead letter is told as failed, not here": (order() + task("failed"), ["nothing"]),
    "a key that occurs twice": (order() + order() + task(), ["invalid o_1"]),
    "an order without a key": ("INSERT INTO orders VALUES (NULL, 'paid', 5, 'EUR', '2026-11-01T10:00:00Z');\n", ["invalid ''"]),
    "an order in transit": (order(), ["nothing"], "2026-11-01 10:10:00"),
    "a receipt in transit": (task("pending"), ["nothing"], "2026-11-01T10:14:00Z"),
    "a receipt that is not done yet, in transit": (order() + task("pending"), ["nothing"], "2026-11-01T10:14:00Z"),
    "grace is over": (order(), ["missing o_1"], "2026-11-01T10:15:01Z"),
    "amounts as large as there are": (order(2**63 - 1) + task(amount=2**63 - 2) + task("pending", "'p_2'", 2**63 - 1),
                                      ["amount_mismatch o_1 -1 EUR", f"orphan p_2 {2**63 - 1} EUR"]),
}


def fixture(engine: str, cases: dict = CASES) -> str:
    text = SETUP.format(time="timestamptz" if engine == "postgres" else "text")
    for name, (sql, expected, *as_of) in cases.items():
        text += f"\n-- case: {name}\n" + "".join(f"-- as of: {time}\n" for time in as_of) + sql
        text += "".join(f"-- expect: {line}\n" for line in expected)
    return text


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "paid.sql").write_text(RULE)
    return folder


def engine_of(database) -> str:
    return "sqlite" if database.url.startswith("sqlite:") else "postgres"


def test_every_class_is_found_and_nothing_else_and_bridges_leave_nothing(rules, database, tallypost) -> None:
    (rules / "paid.test.sql").write_text(fixture(engine_of(database)))
    done = tallypost("rules", "test", rules, "--database", database.url).good()
    assert f"{len(CASES)} ok, 0 failed" in done.out, done.out
    assert database.rows() == []  # nothing is left behind


def test_a_unique_key_changes_how_it_is_asked_and_not_what_is_found(rules, database, tallypost) -> None:
    cases = {name: case for name, case in CASES.items() if name not in ("a key that occurs twice", "an order without a key")}
    text = fixture(engine_of(database), cases).replace("id varchar(20)", "id varchar(20) PRIMARY KEY")
    (rules / "paid.test.sql").write_text(text)
    assert f"{len(cases)} ok, 0 failed" in tallypost("rules", "test", rules, "--database", database.url).good().out


def test_examples_run_without_any_database(rules, tallypost) -> None:
    (rules / "paid.test.sql").write_text(fixture("sqlite"))
    cases = tallypost("rules", "test", rules, "--json").good().json["rules"][0]["cases"]
    assert [case["case"] for case in cases] == list(CASES) and all(case["ok"] for case in cases)


def test_an_example_that_does_not_hold_is_65_and_says_what_differs(rules, tallypost) -> None:
    (rules / "paid.test.sql").write_text(fixture("sqlite", {
        "wrong": (order(), ["orphan o_1"]), "silent": (order(), ["nothing"]), "broken": ("INSERT INTO nowhere VALUES (1);\n", ["nothing"])}))
    done = tallypost("rules", "test", rules).exited(65)
    assert "FAILED paid: wrong" in done.out and "0 ok, 3 failed" in done.out
    assert "expected and not found: orphan o_1" in done.out and "found and not expected: missing o_1 4200 EUR" in done.out
    assert re.search(r"paid\.test\.sql:\d+: no such table: nowhere", done.out), done.out


@pytest.mark.parametrize("name, text, hint", [
    ("paid.sql", "-- rule: paid\n-- graze: 15m\n-- expect: one t per orders.id\n", "did you mean grace?"),
    ("paid.test.sql", "-- case: x\nSELECT 1;\n", "-- expect: nothing"),
    ("paid.test.sql", "-- case: x\n-- expect: mising o_1\n", "did you mean missing?"),
    ("paid.test.sql", "SELECT 1;\n", "-- case:"),
])
def test_what_is_wrong_with_a_file_is_said_with_its_line(name: str, text: str, hint: str, rules, tallypost) -> None:
    (rules / name).write_text(text)
    done = tallypost("rules", "test", rules).exited(65)
    assert name in done.err and hint in done.err, done.err


def test_rules_without_examples_are_no_success(rules, tallypost) -> None:
    assert "paid.test.sql" in tallypost("rules", "test", rules).exited(65).err


def test_a_query_rules_rows_are_the_breaks(rules, database, tallypost) -> None:
    (rules / "big.sql").write_text(
        "-- rule: big\n-- grace: 0s\n-- critical_over: EUR 10.00\n\n"
        "SELECT id AS key, total_minor AS amount_minor, currency, paid_at AS at, state AS detail FROM orders WHERE total_minor > 5000;\n")
    (rules / "big.test.sql").write_text(fixture(engine_of(database), {
        "none": ("", ["nothing"]), "one": (order(6000), ["rule_breach o_1 6000 EUR"]),
        "the table is gone": ("DROP TABLE orders;\n", ["failure"])}))
    tallypost("rules", "test", rules, "--rule", "big", "--database", database.url).good()


def test_amounts_that_are_no_whole_numbers_are_refused(rules, database, tallypost) -> None:
    setup = SETUP.format(time="timestamptz" if engine_of(database) == "postgres" else "text")
    setup = setup.replace("total_minor bigint", "total_minor numeric(12, 2)").replace("4200, 'EUR', '2026", "42.5, 'EUR', '2026")
    (rules / "paid.test.sql").write_text(setup + "-- case: decimals\n-- expect: nothing\n")
    done = tallypost("rules", "test", rules, "--database", database.url).exited(65)
    assert "whole" in done.out and "CAST(total * 100 AS bigint)" in done.out, done.out


@pytest.fixture
def shop(database, rules):
    time = "timestamptz" if engine_of(database) == "postgres" else "text"
    database.execute(f"CREATE TABLE orders (id bigint PRIMARY KEY, state text, total_minor bigint, currency text, paid_at {time})")
    for id in range(1, 1201):
        state = "paid" if id % 6 else "new"
        database.execute(
            "INSERT INTO orders VALUES (:id, :state, :total, 'EUR', :at)", id=id, state=state, total=id, at=database.later(-3600))
    database.execute("INSERT INTO orders VALUES (5000, 'paid', 7, 'EUR', :at)", at=database.later(-1))  # within grace
    database.insert(type="send-receipt", subject="1", amount_minor=1, currency="EUR", status="completed")
    return database


def test_backfill_counts_first_asks_and_is_safe_to_run_twice(shop, rules, tallypost) -> None:
    (rules / "paid.sql").write_text(RULE + '-- payload: {"order": {key}}\n')
    arguments = ["backfill", "--rule", "paid", "--rules", rules, "--database", shop.url]
    counted = tallypost(*arguments, "--dry-run").good()
    missing = [id for id in range(2, 1201) if id % 6]
    assert "999 tasks send-receipt are missing" in counted.out and f"EUR {sum(missing) / 100:.2f}" in counted.out, counted.out
    assert len(shop.rows()) == 1
    assert "--yes" in tallypost(*arguments).exited(64).err  # nobody is there to be asked
    assert len(shop.rows()) == 1
    assert "10 tasks inserted" in tallypost(*arguments, "--yes", "--limit", "10", "--by", "ann").good().out
    assert tallypost(*arguments, "--yes", "--json").good().json["inserted"] == 989
    assert tallypost(*arguments, "--yes", "--json").good().json["missing"] == 0
    rows = {row["subject"]: row for row in shop.rows() if row["idempotency_key"].startswith("send-receipt:")}
    assert sorted(map(int, rows)) == missing
    assert all(row["idempotency_key"] == f"send-receipt:{key}" and row["amount_minor"] == int(key) and row["currency"] == "EUR"
               and json.loads(row["payload"]) == {"order": key} and row["status"] == "pending" for key, row in rows.items())
    events = shop.query("SELECT by, detail FROM task_events WHERE event = 'backfill' ORDER BY id")
    assert sum(json.loads(event["detail"])["count"] for event in events) == 999 and events[0]["by"] == "ann"


def test_two_backfills_at_once_insert_each_task_once(shop, rules, tallypost) -> None:
    arguments = ["backfill", "--rule", "paid", "--rules", str(rules), "--database", shop.url, "--yes", "--json"]
    results: list[int] = []
    threads = [threading.Thread(target=lambda: results.append(tallypost(*arguments).good().json["inserted"])) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(results) == 999 and len(shop.rows()) == 1000


def test_a_cancelled_task_of_that_key_is_left_as_it_is_and_said(shop, rules, tallypost) -> None:
    shop.insert(type="send-receipt", subject="2", idempotency_key="send-receipt:2", status="cancelled")
    done = tallypost("backfill", "--rule", "paid", "--rules", rules, "--database", shop.url, "--yes").good()
    assert "998 tasks inserted" in done.out and "1 had a task with that key already" in done.err


@pytest.mark.parametrize("rule, hint", [
    ("-- rule: paid\nSELECT id AS key FROM orders\n", "query"), ("-- rule: paid\n-- expect: at most one t per orders.id\n", "at most one"),
    ("-- rule: paid\n-- expect: 2 t per orders.id\n", "2 tasks"), ("-- rule: paid\n-- expect: one t per orders.id\n", "at paid_at"),
])
def test_rules_that_cannot_be_filled_up_say_why(rule: str, hint: str, shop, rules, tallypost) -> None:
    (rules / "paid.sql").write_text(rule)
    assert hint in tallypost("backfill", "--rule", "paid", "--rules", rules, "--database", shop.url, "--yes").exited(65).err

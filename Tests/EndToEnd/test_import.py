"""`tallypost import`: a receiver's ledger held against the tasks, by the built program, on both engines."""

import csv
import json
import os
import signal
import subprocess
import time
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from harness.cli import CommandLine
from harness.database import Database

BASE = datetime(2026, 11, 1, 12, 0, tzinfo=timezone.utc)
COLUMNS = ["key", "subject", "amount", "currency", "at", "status", "id", "batch"]
MAP = {
    "source": "stripe", "format": "csv", "exponent": 2, "zone": "UTC", "types": ["charge"], "lag": "0s",
    "columns": {
        "idempotencyKey": "key", "subject": "subject", "amount": "amount", "currency": "currency", "at": "at", "status": "status",
        "externalId": "id", "batch": "batch",
    },
    "outcomes": {"completed": ["succeeded"], "failed": ["failed"], "ignore": ["pending"]},
}


def at(minutes: float) -> str:
    return (BASE + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")[:-4] + "Z"


class Books:
    """Tasks, ledgers and imports of one test."""

    def __init__(self, database: Database, tallypost: CommandLine, folder: Path) -> None:
        self.database, self.tallypost, self.folder = database, tallypost, folder
        self.files = 0

    def task(self, key: str, amount: int | None = 1000, minutes: float = 0, status: str = "completed", **columns) -> int:
        columns = {"type": "charge", "subject": key.replace("k", "o"), **columns}
        if amount is not None:
            columns = {"amount_minor": amount, "currency": "EUR", **columns}
        id = self.database.insert(idempotency_key=key, **columns)
        finished = at(minutes) if status == "completed" else None
        self.database.execute("UPDATE pending_tasks SET status = :s, finished_at = :f WHERE id = :id", s=status, f=finished, id=id)
        return id

    @staticmethod
    def row(key: str, amount: str = "10.00", minutes: float = 0, **fields: str) -> dict[str, str]:
        return {
            "key": key, "subject": key.replace("k", "o"), "amount": amount, "currency": "EUR", "at": at(minutes), "status": "succeeded",
            "id": f"ch_{key}", "batch": ""} | fields

    def ledger(self, *rows: dict[str, str], name: str | None = None) -> Path:
        self.files += 1
        path = self.folder / (name or f"ledger-{self.files}.csv")
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)
        return path

    def map(self, **changes) -> Path:
        path = self.folder / "map.json5"
        path.write_text(json.dumps({**MAP, **changes}))
        return path

    def run(self, file: Path, *options: str, code: int = 0, changes: dict | None = None):
        result = self.tallypost(
            "import", "--database", self.database.url, "--map", self.map(**(changes or {})), file, "--json", *options, cwd=self.folder)
        result.exited(code)
        return result.json if code in (0, 3, 4) else result

    def classes(self, document) -> dict[str, int]:
        return {name: found["count"] for name, found in document["classes"].items()}

    def states(self) -> dict[str, str]:
        return {row["class"]: row["state"] for row in self.database.query("SELECT class, state FROM tallypost_findings")}


@pytest.fixture
def books(database: Database, tallypost: CommandLine, tmp_path: Path) -> Books:
    return Books(database, tallypost, tmp_path)


def balanced(document) -> None:
    for bridge in document["bridges"]:
        assert bridge["residual"] == {"count": 0, "amountMinor": "0"}, bridge


def test_a_ledger_that_agrees_is_clean_and_recorded_once(books: Books) -> None:
    for number in range(5):
        books.task(f"k{number}", minutes=number)
    file = books.ledger(*(books.row(f"k{number}", minutes=number) for number in range(5)))
    document = books.run(file, "--expect-rows", "5", "--expect-sum", "EUR=50.00", "--by", "ann")
    assert (document["status"], document["matched"], document["findings"]) == ("clean", 5, [])
    (bridge,) = document["bridges"]
    assert bridge["ours"] == bridge["theirs"] == {"count": 5, "amountMinor": "5000"}
    balanced(document)
    (row,) = books.database.query("SELECT * FROM tallypost_imports")
    assert (row["source"], row["rows"], row["quarantined"], row["made_by"]) == ("stripe", 5, 0, "ann")
    assert json.loads(row["bridges"])[0]["theirs"] == {"count": 5, "amountMinor": "5000"}
    again = books.run(file, code=65)
    assert "imported already" in again.err
    assert len(books.database.query("SELECT id FROM tallypost_imports")) == 1


def test_every_class_is_found_and_nothing_else(books: Books) -> None:
    for number in range(20):
        books.task(f"k{number}", minutes=number)
    books.task("k20", minutes=20)  # ours only
    books.task("k21", status="pending")  # theirs, ours open
    books.task("k22", status="failed")  # theirs, ours refused
    books.task("k23", minutes=23)  # they failed
    books.task("k24", minutes=24)  # amount
    books.task("k25", minutes=25)  # currency
    rows = [books.row(f"k{number}", minutes=number) for number in range(20)]
    rows += [books.row(f"k{number}", minutes=number) for number in (21, 22)]
    rows += [
        books.row("k23", minutes=23, status="failed"), books.row("k24", "10.50", 24), books.row("k25", minutes=25, currency="USD"),
        books.row("k99", "7.00", 26), books.row("k3", minutes=27, id="ch_again"), books.row("k98", minutes=28, status="pending"),
    ]
    document = books.run(books.ledger(*rows), code=3)
    assert books.classes(document) == {
        "they_have_we_dont": 2, "we_say_done_they_dont": 1, "done_twice": 1, "outcome_mismatch": 2, "amount_mismatch": 1,
        "currency_mismatch": 1}
    balanced(document)
    by = {(found["class"], found["idempotencyKey"]): found for found in document["findings"]}
    assert by["they_have_we_dont", "k99"]["severity"] == "critical"
    assert by["they_have_we_dont", "k21"]["severity"] == "high" and "is pending" in by["they_have_we_dont", "k21"]["detail"]
    assert by["we_say_done_they_dont", "k20"]["amountMinor"] == "1000"
    assert by["done_twice", "k3"]["amountMinor"] == "1000"
    assert by["amount_mismatch", "k24"]["amountMinor"] == "50"
    assert by["currency_mismatch", "k25"]["currency"] == "USD"
    assert set(books.states().values()) == {"open"}


def test_rows_of_two_overlapping_files_count_once_and_their_findings_persist(books: Books) -> None:
    for number in range(10):
        books.task(f"k{number}", minutes=number)
    books.run(books.ledger(*(books.row(f"k{number}", minutes=number) for number in range(6))))
    second = [books.row(f"k{number}", minutes=number) for number in range(4, 10)]
    document = books.run(books.ledger(*second, books.row("k5", minutes=9.5, id="ch_twice")), code=3)
    assert document["alreadyImported"] == 2
    assert books.classes(document) == {"done_twice": 1}
    balanced(document)
    third = books.run(books.ledger(*second, books.row("k5", minutes=9.5, id="ch_twice"), books.row("k9", minutes=9, status="failed")), code=3)
    assert books.classes(third) == {"done_twice": 1}
    assert [row["change"] for row in books.database.query("SELECT change FROM tallypost_findings")] == ["persisting"]


def test_theirs_alone_is_matched_when_its_task_is_completed_later(books: Books) -> None:
    books.task("k0")
    open_task = books.task("k1", status="pending")
    document = books.run(books.ledger(books.row("k0"), books.row("k1", minutes=1)), code=3)
    assert books.classes(document) == {"they_have_we_dont": 1}
    assert len(books.database.query("SELECT * FROM tallypost_ledger_items")) == 1
    books.database.execute(
        "UPDATE pending_tasks SET status = 'completed', finished_at = :f WHERE id = :id", f=at(2), id=open_task)
    books.task("k2", minutes=60)
    later = books.run(books.ledger(books.row("k2", minutes=60)))
    assert len(later["cleared"]) == 1
    assert books.states() == {"they_have_we_dont": "cleared"}
    assert books.database.query("SELECT * FROM tallypost_ledger_items") == []
    balanced(later)


def test_what_finished_shortly_before_the_end_is_in_transit_until_the_next_ledger(books: Books) -> None:
    books.task("k0", minutes=0)
    books.task("k1", minutes=115)
    books.task("k2", minutes=120)
    changes = {"lag": "30m"}
    document = books.run(books.ledger(books.row("k0"), books.row("k2", minutes=120)), changes=changes)
    (bridge,) = document["bridges"]
    assert bridge["inTransit"]["count"] == 1
    balanced(document)
    books.task("k3", minutes=600)
    second = books.run(books.ledger(books.row("k3", minutes=600)), "--from", at(121), code=3, changes=changes)
    assert books.classes(second) == {"we_say_done_they_dont": 1}
    balanced(second)
    books.task("k4", minutes=700)
    third = books.run(books.ledger(books.row("k1", minutes=110), books.row("k4", minutes=700)), "--from", at(601), changes=changes)
    assert books.states() == {"we_say_done_they_dont": "cleared"}
    (bridge,) = third["bridges"]
    assert bridge["otherPeriods"]["count"] == 1
    balanced(third)


def test_differences_within_the_tolerance_have_their_own_line(books: Books) -> None:
    books.task("k0")
    books.task("k1", minutes=1)
    file = books.ledger(books.row("k0", "10.02"), books.row("k1", "10.03", 1))
    document = books.run(file, code=3, changes={"tolerance": {"EUR": "0.02"}})
    assert books.classes(document) == {"amount_mismatch": 1}
    (bridge,) = document["bridges"]
    assert (bridge["tolerated"]["amountMinor"], bridge["amountDifferences"]["amountMinor"]) == ("2", "3")


def test_several_of_ours_are_matched_with_one_payout_of_theirs(books: Books) -> None:
    books.database.execute("INSERT INTO task_groups (key) VALUES ('po_1')")
    for number in range(3):
        books.task(f"k{number}", minutes=number, group_key="po_1")
    row = books.row("", "30.00", 5, subject="", batch="po_1", id="po_1")
    document = books.run(books.ledger(row), "--from", at(0))
    assert document["status"] == "clean"
    balanced(document)
    again = books.run(books.ledger(row, books.row("zz", status="failed", minutes=6)), "--from", at(0))
    assert again["alreadyImported"] == 1
    balanced(again)


def test_instalments_are_matched_with_their_task_when_they_add_up(books: Books) -> None:
    books.task("k0", 3000, minutes=10, subject="loan-1")
    parts = [books.row("", "10.00", number, subject="", batch="loan-1", id=f"part-{number}") for number in range(3)]
    changes = {"batchOf": "subject"}
    first = books.run(books.ledger(*parts[:2]), "--from", at(0), "--to", at(5), code=3, changes=changes)
    assert books.classes(first) == {"they_have_we_dont": 2}
    balanced(first)
    second = books.run(books.ledger(parts[2]), "--from", at(2), "--to", at(20), changes=changes)
    assert books.states() == {"they_have_we_dont": "cleared"}
    balanced(second)


def test_bad_rows_are_set_aside_with_their_line_and_the_import_is_incomplete(books: Books) -> None:
    books.task("k0")
    file = books.ledger(
        books.row("k0"), books.row("k1", "12,50"), books.row("k2", "1.234"), books.row("k3", at="yesterday"),
        books.row("k4", currency="Euro"), books.row("k5", status="maybe"), books.row("", subject=""))
    with file.open("a") as end:
        end.write("too,few\r\n")
    document = books.run(file, code=4)
    assert (document["quarantined"], document["status"]) == (7, "incomplete")
    with (books.folder / f"{file.name}.quarantine.csv").open(encoding="utf-8-sig", newline="") as aside:
        rows = list(csv.DictReader(aside))
    assert [row["line"] for row in rows] == ["3", "4", "5", "6", "7", "8", "9"]
    assert "amount" in rows[0]["reason"] and "decimals" in rows[1]["reason"] and "fields" in rows[6]["reason"]
    assert books.database.value("SELECT quarantined FROM tallypost_imports") == 7


def test_control_totals_that_differ_refuse_the_file_and_nothing_is_recorded(books: Books) -> None:
    books.task("k0")
    file = books.ledger(books.row("k0"))
    assert "--expect-rows says 2" in books.run(file, "--expect-rows", "2", code=65).err
    assert "adds up to EUR 10.00" in books.run(file, "--expect-sum", "EUR=10.01", code=65).err
    empty = books.folder / "empty.csv"
    empty.write_text("")
    assert "empty" in books.run(empty, code=65).err
    empty.write_text(",".join(COLUMNS) + "\n")
    assert "no rows" in books.run(empty, code=65).err
    assert books.database.query("SELECT * FROM tallypost_imports") == []
    assert books.database.query("SELECT * FROM tallypost_findings") == []
    assert books.run(file, "--dry-run")["import"] is None
    assert books.database.query("SELECT * FROM tallypost_imports") == []


def test_json_lines_in_minor_units_and_a_reference_from_the_response(books: Books) -> None:
    task = books.task("k0")
    books.database.execute("UPDATE pending_tasks SET result = :r WHERE id = :id", r='{"charge":"ch_9"}', id=task)
    file = books.folder / "ledger.jsonl"
    file.write_text(json.dumps({"id": "ch_9", "amount": 1000, "currency": "eur", "at": at(0), "more": {"a": [1, "}"]}}) + "\n")
    columns = {"externalId": "id", "amount": "amount", "currency": "currency", "at": "at"}
    document = books.run(
        file, changes={"format": "jsonl", "columns": columns, "amountIn": "minor", "reference": "charge", "outcomes": {"completed": ["x"]}})
    assert (document["status"], document["matched"]) == ("clean", 1)


def test_a_faulty_map_is_refused_with_the_nearest_name(books: Books) -> None:
    file = books.ledger(books.row("k0"))
    result = books.run(file, code=65, changes={"colums": {}, "zone": "Europe/Londn"})
    assert "did you mean \"columns\"" in result.err and "Europe/London" in result.err
    columns = {**MAP["columns"], "amount": "amuont"}
    assert "has no column “amuont”" in books.run(file, code=65, changes={"columns": columns}).err


def test_an_import_that_is_killed_leaves_nothing_behind(books: Books, binary: Path) -> None:
    books.database.insert_many(2000, "k", type="charge", amount_minor=1000, currency="EUR")
    books.database.execute("UPDATE pending_tasks SET status = 'completed', finished_at = :f", f=at(0))
    fifo = books.folder / "ledger.csv"
    os.mkfifo(fifo)
    folder = books.folder / "tmp"
    folder.mkdir()
    process = subprocess.Popen(
        [binary, "import", "--database", books.database.url, "--map", books.map(), fifo], cwd=books.folder,
        env={**os.environ, "TMPDIR": str(folder)}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    with fifo.open("w") as writer:
        writer.write(",".join(COLUMNS) + "\n")
        writer.flush()
        process.send_signal(signal.SIGKILL)
        process.wait(20)
    assert list(folder.iterdir()) == []
    for table in ("tallypost_imports", "tallypost_findings", "tallypost_ledger_matches", "tallypost_ledger_items"):
        assert books.database.query(f"SELECT 1 FROM {table}") == []
    fifo.unlink()
    books.run(books.ledger(*(books.row(f"k-{number}") for number in range(2000)), name="ledger.csv"))

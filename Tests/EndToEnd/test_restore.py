"""After a restore from a backup nothing is sent until a person has looked."""

import os
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from harness.cli import CommandLine
from harness.console import Console
from harness.database import Database, SQLiteDatabase
from harness.postgres import binary_folder
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually


class Backup:
    """A copy of a database as it was, which can be put back in its place."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database = database
        self.file = folder / "backup"
        if isinstance(database, SQLiteDatabase):
            copy = sqlite3.connect(self.file)
            database.connect().backup(copy)
            copy.close()
        else:
            self._tool("pg_dump", "-Fc", "-f", str(self.file), "-d", database.url)

    @staticmethod
    def _tool(name: str, *arguments: str) -> None:
        done = subprocess.run([str(binary_folder() / name), *arguments], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr

    def restore(self) -> None:
        """Puts it back while whoever uses the database goes on using it."""
        if isinstance(self.database, SQLiteDatabase):
            source = sqlite3.connect(self.file)
            source.backup(self.database.connect())
            source.close()
        else:
            self._tool(
                "pg_restore", "--clean", "--if-exists", "--single-transaction", "-d", self.database.url, str(self.file))

    def replace(self) -> None:
        """Puts it in the place of the file, as one does with SQLite; on PostgreSQL as above."""
        if not isinstance(self.database, SQLiteDatabase):
            return self.restore()
        self.database.close()
        path = self.database.path
        for suffix in ("-wal", "-shm"):
            Path(f"{path}{suffix}").unlink(missing_ok=True)
        fresh = path.with_suffix(".fresh")
        shutil.copy(self.file, fresh)
        made = sqlite3.connect(fresh)
        made.execute("PRAGMA journal_mode = WAL")
        made.close()
        os.rename(fresh, path)


def mark(database: Database) -> int:
    return database.value("SELECT mark FROM tallypost_mark")


def holds(database: Database) -> list[dict]:
    return database.query("SELECT * FROM tallypost_holds")


def events(database: Database) -> list[tuple]:
    return [(row["event"], row["by"], row["why"]) for row in database.query("SELECT * FROM task_events ORDER BY id")]


def remembered(file: Path) -> int:
    """The mark that a state file holds; -1: none yet."""
    return int(file.read_text().split()[3]) if file.exists() else -1


def work_past_a_backup(database: Database, receiver: Receiver, folder: Path) -> Backup:
    """Three tasks wait in the backup; they are sent after it was made, and the mark has risen."""
    database.insert_many(3, "charge", amount_minor=1250, currency="EUR", subject="o_1")
    backup = Backup(database, folder)
    return backup


@pytest.mark.parametrize("how", ["restore", "replace"])
def test_a_restored_database_sends_nothing_until_somebody_has_looked(
    database: Database, receiver: Receiver, relay, tallypost: CommandLine, tmp_path: Path, how: str
) -> None:
    backup = work_past_a_backup(database, receiver, tmp_path)
    console = Console(tmp_path)
    state = {"STATE_DIRECTORY": str(tmp_path / "state")}
    one = relay(database, environment=state, routes={"task": route(receiver.url())}, **console.keys).start()
    eventually(lambda: database.statuses() == {"completed": 3}, 15, database.statuses)
    eventually(lambda: mark(database) > 0, 15, "the mark was not raised")
    known = mark(database)
    # It may rise once more, for what was written after that.
    eventually(lambda: remembered(tmp_path / "state/tallypost.mark") >= known, 10, "the mark was not remembered")

    getattr(backup, how)()
    eventually(lambda: one.lines("dispatch is held"), 20, one.text)
    eventually(lambda: holds(database), 10, "no hold")
    new = database.insert(type="task", idempotency_key="new")
    eventually(lambda: console.call("GET", "/readyz").status == 503, 10, "ready")
    assert "went back in time" in console.call("GET", "/readyz").json["detail"]
    assert "dispatch is held" in tallypost("status", "--database", database.url).good().out
    assert "No relay sends anything" in tallypost("task", "explain", str(new), "--database", database.url).good().out

    found = tallypost("doctor", "--after-restore", "--database", database.url, "--json").good().json
    assert found["held"] and found["rememberedMark"] >= known
    assert {task["idempotency_key"] for task in found["tasks"]} == {"charge-0", "charge-1", "charge-2"}, "not the new one"
    assert found["totals"] == [{"type": "task", "currency": "EUR", "count": 3, "amountMinor": "3750"}]
    text = tallypost("doctor", "--after-restore", "--database", database.url).good().out
    assert "charge-2" in text and "37.50" in text and "--release" in text

    # A second relay, and one that starts anew, hold too.
    other = relay(database, environment=state, routes={"task": route(receiver.url())}).start()
    eventually(lambda: other.lines("dispatch is held"), 15, other.text)
    assert receiver.counts() == {"charge-0": 1, "charge-1": 1, "charge-2": 1}
    assert len(one.lines("dispatch is held")) == 1, "said once"

    release = ("doctor", "--after-restore", "--release", "--database", database.url)
    assert "--by WHO and --why TEXT" in tallypost(*release, "--yes").exited(64).err
    assert "nobody is there to be asked" in tallypost(*release, "--by", "mara", "--why", "compared").exited(64).err
    database.execute("UPDATE pending_tasks SET status = 'cancelled' WHERE idempotency_key = 'charge-0'")
    tallypost(*release, "--by", "mara", "--why", "compared", "--yes").good()
    eventually(lambda: database.statuses() == {"completed": 3, "cancelled": 1}, 20, database.statuses)
    assert receiver.counts() == {"charge-0": 1, "charge-1": 2, "charge-2": 2, "new": 1}, "with their old keys"
    assert ("release", "mara", "compared") in events(database)
    eventually(lambda: console.call("GET", "/readyz").status == 200, 10, "not ready")
    assert holds(database) == []
    eventually(lambda: one.lines("dispatch goes on") and other.lines("dispatch goes on"), 15, other.text)

    # What is remembered now is of the new era: nobody holds again.
    assert [one.stop(), other.stop()] == [0, 0]
    later = relay(database, environment=state, routes={"task": route(receiver.url())}).start()
    last = database.insert(type="task", idempotency_key="last")
    eventually(lambda: database.status(last) == "completed", 15, later.text)


def test_a_relay_that_was_stopped_finds_out_when_it_starts(
    database: Database, receiver: Receiver, relay, tallypost: CommandLine, tmp_path: Path
) -> None:
    backup = work_past_a_backup(database, receiver, tmp_path)
    # No state directory: beside the SQLite file, or in the user's own.
    state = {"XDG_STATE_HOME": str(tmp_path / "home")}
    first = relay(database, environment=state, routes={"task": route(receiver.url())}).start()
    eventually(lambda: database.statuses() == {"completed": 3}, 15, database.statuses)
    eventually(lambda: mark(database) > 0, 15, "the mark was not raised")
    assert first.stop() == 0
    backup.replace()
    before = tallypost("doctor", "--after-restore", "--database", database.url, environment=state).good().out
    assert "a relay will hold dispatch when it starts" in before and "charge-0" in before

    second = relay(database, "--drain", environment=state, routes={"task": route(receiver.url())}).spawn()
    assert second.wait() == 69, "a drain that sends nothing is not done"
    assert second.lines("dispatch is held: not drained")
    assert database.statuses() == {"pending": 3}
    assert receiver.counts() == {"charge-0": 1, "charge-1": 1, "charge-2": 1}


def test_a_crash_is_no_restore(database: Database, receiver: Receiver, relay, tmp_path: Path) -> None:
    state = {"STATE_DIRECTORY": str(tmp_path / "state")}
    for turn in range(3):
        one = relay(database, environment=state, routes={"task": route(receiver.url())}).start()
        before = mark(database)
        database.insert_many(20, f"turn{turn}")
        eventually(lambda: mark(database) > before, 15, "the mark was not raised")
        one.kill()
    last = relay(database, "--drain", environment=state, routes={"task": route(receiver.url())}).spawn()
    assert last.wait(60) == 0
    assert holds(database) == [] and database.statuses() == {"completed": 60}


def test_another_database_in_the_same_place_is_no_restore(
    sqlite: SQLiteDatabase, receiver: Receiver, relay, tallypost: CommandLine, tmp_path: Path
) -> None:
    routes = {"task": route(receiver.url())}
    first = relay(sqlite, routes=routes).start()
    sqlite.insert(type="task", idempotency_key="old")
    eventually(lambda: mark(sqlite) > 0, 15, "the mark was not raised")
    assert first.stop() == 0
    sqlite.close()
    for suffix in ("", "-wal", "-shm"):
        Path(f"{sqlite.path}{suffix}").unlink(missing_ok=True)
    assert Path(f"{sqlite.path}-tallypost-mark").exists()
    tallypost("init", "--database", sqlite.url).good()
    sqlite.insert(type="task", idempotency_key="new")
    second = relay(sqlite, "--drain", routes=routes).spawn()
    assert second.wait() == 0 and receiver.counts() == {"old": 1, "new": 1}


def test_a_state_that_cannot_be_written_is_said_and_does_no_harm(
    database: Database, receiver: Receiver, relay, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    one = relay(
        database, environment={"STATE_DIRECTORY": str(tmp_path / "file")}, routes={"task": route(receiver.url())}).start()
    database.insert_many(5, "k")
    eventually(lambda: database.statuses() == {"completed": 5}, 15, database.statuses)
    # Each raise is a try to write it down.
    for turn in range(3):
        before = mark(database)
        database.insert_many(1, f"turn{turn}")
        eventually(lambda: mark(database) > before, 15, "the mark was not raised")
    assert len(one.lines("the tide mark cannot be kept")) == 1


def test_an_idle_relay_writes_nothing(sqlite: SQLiteDatabase, receiver: Receiver, relay) -> None:
    one = relay(sqlite, routes={"task": route(receiver.url())}).start()
    sqlite.insert(type="task")
    # Its status lines come every few seconds, whatever else it does: more often than not the mark is raised between two of them.
    def two_signs_of_life() -> None:
        seen = len(one.notify.messages)
        eventually(lambda: len(one.notify.messages) >= seen + 2, 30, "no signs of life")

    eventually(lambda: sqlite.statuses() == {"completed": 1} and mark(sqlite) > 0, 15, "the mark was not raised")
    # Once more for what was written after it was first raised.
    two_signs_of_life()
    log = Path(f"{sqlite.path}-wal")
    size, raised = log.stat().st_size, mark(sqlite)
    two_signs_of_life()
    assert log.stat().st_size == size and mark(sqlite) == raised


def test_a_person_can_hold_by_hand(database: Database, receiver: Receiver, relay, tallypost: CommandLine) -> None:
    hold = ("doctor", "--after-restore", "--hold", "--database", database.url, "--by", "jo", "--why", "PITR to 12:00")
    waiting = database.insert(type="task", subject="o_9")
    assert "o_9" in tallypost(*hold).good().out
    assert "held already" in tallypost(*hold).exited(65).err
    one = relay(database, routes={"task": route(receiver.url())}).start()
    assert one.lines("dispatch is held")
    assert database.status(waiting) == "pending"
    tallypost(
        "doctor", "--after-restore", "--release", "--yes", "--database", database.url, "--by", "mara", "--why", "done").good()
    eventually(lambda: database.status(waiting) == "completed", 15, one.text)
    assert [event[:2] for event in events(database)] == [("hold", "jo"), ("release", "mara")]

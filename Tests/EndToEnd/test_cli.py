"""The command line as an operator and as a program use it."""

import json
import os
import pty
import re
import subprocess

import pytest
from harness.database import Database
from harness.ports import closed_port
from harness.receiver import Answer, Gate, Receiver
from harness.routes import route
from harness.waiting import eventually

COMMANDS = [
    "init", "run", "status", "task list", "task show", "task retry", "task cancel", "task explain", "route list", "route pause",
    "route resume", "doctor", "demo", "rules test", "backfill",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, tallypost) -> None:
    done = tallypost(*command.split(), "--help").good()
    assert f"tallypost {command}" in done.out and "Usage" in done.out and "--help" in done.out
    assert done.err == ""
    assert command in tallypost("--help").good().out


def test_the_version_is_a_version(tallypost) -> None:
    assert re.fullmatch(r"tallypost \d+\.\d+\.\d+\S*\n", tallypost("--version").good().out)


@pytest.mark.parametrize("arguments, hint", [
    (["stats"], "status"), (["task", "lst"], "task list"), (["status", "--databse", "x"], "--database"), ([], "--help"),
    (["task", "list", "--status", "fialed", "--database", "sqlite:x"], "failed"), (["task", "show", "--database", "sqlite:x"], "ID"),
    (["task", "show", "seven", "--database", "sqlite:x"], "seven"), (["run", "--database"], "--database"),
    (["status", "--json=yes", "--database", "sqlite:x"], "--json"), (["status", "surplus", "--database", "sqlite:x"], "surplus"),
    (["status"], "--database"), (["status", "--database", "mysql://x/y"], "sqlite:"), (["run", "--route", "nonsense", "--database", "sqlite:x"], "TYPE=URL"),
    (["task", "retry", "--database", "sqlite:x"], "--status"),
])
def test_a_wrong_command_line_is_64_and_says_what_was_meant(arguments: list[str], hint: str, tallypost) -> None:
    done = tallypost(*arguments).exited(64)
    assert hint in done.err, done.err
    assert done.out == ""


def test_options_are_written_with_a_space_or_an_equals_sign_and_anywhere(sqlite, tallypost) -> None:
    id = sqlite.insert(type="task")
    for arguments in (["task", "show", str(id), "--database", sqlite.url], ["task", "show", f"--database={sqlite.url}", str(id)],
                      ["task", "show", "--database", sqlite.url, "--", str(id)]):
        assert "task" in tallypost(*arguments).good().out


def test_a_database_that_is_away_is_69_for_every_one_shot_command(tallypost) -> None:
    port, holder = closed_port()
    url = f"postgres://postgres@127.0.0.1:{port}/shop"
    for command in (["init"], ["status"], ["task", "list"], ["task", "show", "1"], ["task", "retry", "1"], ["task", "cancel", "1"],
                    ["task", "explain", "1"], ["route", "list"], ["route", "pause", "x"], ["route", "resume", "x"], ["doctor"]):
        done = tallypost(*command, "--database", url).exited(69)
        assert "refused" in done.err + done.out
    holder.close()


def test_a_database_without_tables_is_78_and_says_init(empty_database: Database, tallypost) -> None:
    empty_database.execute("CREATE TABLE other (id integer)")
    for command in (["status"], ["task", "list"], ["route", "list"]):
        assert "tallypost init" in tallypost(*command, "--database", empty_database.url).exited(78).err
    done = tallypost("run", "--database", empty_database.url, "--route", "a=http://127.0.0.1:9/").exited(78)
    assert "tallypost init" in done.err


def test_a_sqlite_file_that_is_not_there_is_made_by_init_alone(tallypost, tmp_path) -> None:
    path = tmp_path / "shop.db"
    for command in (["status"], ["task", "list"], ["doctor"]):
        done = tallypost(*command, "--database", f"sqlite:{path}")
        assert done.code in (69, 78), done
        assert not path.exists(), "a look makes no file"
    tallypost("init", "--database", f"sqlite:{path}").good()
    assert path.exists()


def test_a_file_that_is_no_database_is_told_apart(tallypost, tmp_path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear Sir or Madam,\n" * 100)
    done = tallypost("status", "--database", f"sqlite:{path}").exited(65)
    assert "database" in done.err
    assert path.read_text().startswith("Dear")


def test_init_twice_is_a_no_op_and_a_newer_schema_is_refused(database: Database, tallypost) -> None:
    id = database.insert(type="task")
    before = database.row(id)
    done = tallypost("init", "--database", database.url, "--json").good().json
    assert done["from"] == done["to"] > 0 and done["adopted"] == []
    assert database.row(id) == before

    database.execute("INSERT INTO tallypost_schema SELECT 999, applied_at FROM tallypost_schema LIMIT 1")
    for command in (["init"], ["status"]):
        done = tallypost(*command, "--database", database.url).exited(78)
        assert "999" in done.err and "newer" in done.err
    done = tallypost("run", "--database", database.url, "--route", "a=http://127.0.0.1:9/").exited(78)
    assert "newer" in done.err


def test_two_inits_at_once_make_one_schema(empty_database: Database, binary) -> None:
    command = [str(binary), "init", "--database", empty_database.url]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) for _ in range(4)]
    told = [process.communicate(timeout=60)[0] for process in running]
    assert [process.returncode for process in running] == [0] * 4, told
    empty_database.insert(type="task")
    assert empty_database.statuses() == {"pending": 1}


def test_lists_are_paged_and_filtered_and_hold_no_token(database: Database, tallypost) -> None:
    ids = [database.insert(type=type, subject=f"o_{number}", payload='{"n": 1.10}')
           for number in range(5) for type in ("send-receipt", "build-report")]
    seen, cursor = [], None
    while True:
        more = ["--cursor", str(cursor)] if cursor is not None else []
        page = tallypost("task", "list", "--database", database.url, "--json", "--limit", "4", *more).good().json
        assert len(page["tasks"]) <= 4
        seen += [task["id"] for task in page["tasks"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == ids
    one = tallypost(
        "task", "list", "--database", database.url, "--json", "--type", "send-receipt", "--subject", "o_3", "--status", "pending").good()
    (task,) = one.json["tasks"]
    assert (task["type"], task["subject"], task["status"], task["attempts"]) == ("send-receipt", "o_3", "pending", 0)
    assert "signal_token" not in task
    assert tallypost("task", "list", "--database", database.url, "--status", "failed", "--json").good().json == {"tasks": [], "next": None}
    page = tallypost("task", "list", "--database", database.url, "--limit", "3").good().out
    assert "send-receipt" in page and f"--cursor {ids[2]}" in page and "o_2" not in page


def test_a_task_is_shown_with_its_attempts_and_its_events(database: Database, receiver: Receiver, relay, tallypost) -> None:
    receiver.on("/tasks", [Answer(503, b"busy"), Answer(404, b"gone fishing"), Answer()])
    running = relay(database, routes={"task": route(receiver.url())}).start()
    id = database.insert(type="task", subject="o_1")
    eventually(lambda: database.status(id) == "failed")
    tallypost("task", "retry", id, "--config", running.config, "--by", "mara", "--why", "the fish bit").good()
    eventually(lambda: database.status(id) == "completed", what=lambda: database.row(id))

    shown = tallypost("task", "show", id, "--config", running.config, "--json").good().json
    assert shown["task"]["status"] == "completed" and shown["task"]["subject"] == "o_1"
    assert [(a["attempt"], a["response_status"]) for a in shown["attempts"]] == [(1, 503), (2, 404)]
    (event,) = shown["events"]
    assert (event["event"], event["by"], event["why"]) == ("retry", "mara", "the fish bit")
    page = tallypost("task", "show", id, "--config", running.config).good().out
    for word in ("completed", "503", "busy", "gone fishing", "mara", "the fish bit"):
        assert word in page
    assert database.row(id)["signal_token"] not in page + json.dumps(shown)


def test_a_task_that_is_not_there_is_65(database: Database, tallypost) -> None:
    for command in ("show", "retry", "cancel", "explain"):
        done = tallypost("task", command, "4711", "--database", database.url).exited(65)
        assert "4711" in done.err


def test_retry_sends_again_under_the_same_key_and_cancel_calls_off(
    database: Database, receiver: Receiver, relay, tallypost
) -> None:
    running = relay(database, routes={"task": route(receiver.url())}).start()
    id = database.insert(type="task", idempotency_key="k")
    eventually(lambda: database.status(id) == "completed")
    tallypost("task", "cancel", id, "--config", running.config).exited(65)
    tallypost("task", "retry", id, "--config", running.config).good()
    eventually(lambda: receiver.counts() == {"k": 2})
    eventually(lambda: database.status(id) == "completed")

    later = database.insert(type="task", run_at=database.later(3600))
    tallypost("task", "retry", later, "--config", running.config).exited(65)
    tallypost("task", "cancel", later, "--config", running.config, "--why", "withdrawn").good()
    assert database.status(later) == "cancelled"
    tallypost("task", "cancel", later, "--config", running.config).exited(65)


def test_a_task_that_is_being_sent_is_not_called_back(database: Database, receiver: Receiver, relay, tallypost) -> None:
    gate = Gate()
    receiver.always(gate)
    running = relay(database, routes={"task": route(receiver.url(), timeoutSeconds=20)}).start()
    id = database.insert(type="task")
    eventually(lambda: receiver.got())
    assert "processing" in tallypost("task", "cancel", id, "--config", running.config).exited(65).err
    gate.open()
    eventually(lambda: database.status(id) == "completed")


def test_bulk_changes_count_first_and_ask(database: Database, receiver: Receiver, relay, tallypost, binary) -> None:
    receiver.always(Answer(404))
    running = relay(database, routes={"a": route(receiver.url()), "b": route(receiver.url())}).start()
    database.insert_many(60, "a", type="a")
    database.insert_many(5, "b", type="b")
    eventually(lambda: database.statuses() == {"failed": 65})
    receiver.always(Answer())

    def retry(*more: str):
        return tallypost("task", "retry", "--status", "failed", "--type", "a", "--config", running.config, *more)

    done = retry("--dry-run", "--json").good().json
    assert done == {"count": 60}
    assert "60" in retry("--dry-run").good().out
    # Nobody there to ask: not without --yes.
    assert "--yes" in retry().exited(64).err
    assert database.statuses() == {"failed": 65}

    # At a terminal it asks, and no is no.
    for answer, after in ((b"n\n", {"failed": 65}), (b"y\n", {"failed": 5, "completed": 60})):
        ours, theirs = pty.openpty()
        asked = subprocess.Popen(
            [binary, "task", "retry", "--status", "failed", "--type", "a", "--config", str(running.config)],
            stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
        os.close(theirs)
        shown = b""
        while b"?" not in shown:
            shown += os.read(ours, 4096)
        assert b"60" in shown
        os.write(ours, answer)
        assert asked.wait(30) == 0
        os.close(ours)
        eventually(lambda: database.statuses() == after, what=database.statuses)

    done = tallypost("task", "retry", "--status", "failed", "--config", running.config, "--yes", "--json", "--by", "cron").good().json
    assert done["changed"] == 5
    eventually(lambda: database.statuses() == {"completed": 65})
    assert database.value("SELECT count(*) AS n FROM task_events WHERE event = 'retry'") == 65
    assert database.value("SELECT count(*) AS n FROM task_events WHERE by = 'cron'") == 5


def test_explain_says_what_a_task_waits_for(database: Database, receiver: Receiver, relay, tallypost) -> None:
    gate = Gate()
    receiver.on("/slow", gate)
    receiver.on("/bad", Answer(404))
    running = relay(database, routes={
        "slow": route(receiver.url("/slow"), timeoutSeconds=20), "bad": route(receiver.url("/bad")), "paused": route(receiver.url())}).start()
    tallypost("route", "pause", "paused", "--config", running.config, "--why", "the host moves").good()
    cases = {
        "later": (database.insert(type="slow", run_at=database.later(3600)), ["due"]),
        "sent": (database.insert(type="slow", ordering_key="k"), ["being sent", "lease"]),
        "behind": (database.insert(type="slow", ordering_key="k"), ["ordering key"]),
        "failed": (database.insert(type="bad"), ["404"]),
        "paused": (database.insert(type="paused"), ["paused"]),
        "chained": (database.insert(type="slow", run_after=1), ["1"]),
    }
    eventually(lambda: receiver.got("/slow") and receiver.got("/bad"))
    eventually(lambda: database.status(cases["failed"][0]) == "failed")
    for name, (id, words) in cases.items():
        said = tallypost("task", "explain", id, "--config", running.config).good().out
        for word in words:
            assert word in said, (name, said)
        as_json = tallypost("task", "explain", id, "--config", running.config, "--json").good().json
        assert as_json, name
    gate.open()


def test_a_route_is_paused_and_resumed_by_hand(database: Database, receiver: Receiver, relay, tallypost) -> None:
    running = relay(database, routes={"held": route(receiver.url("/held")), "free": route(receiver.url("/free"))}).start()
    tallypost("route", "pause", "held", "--config", running.config, "--by", "mara", "--why", "the host moves").good()
    listed = {entry["type"]: entry for entry in tallypost("route", "list", "--config", running.config, "--json").good().json["routes"]}
    assert set(listed) == {"held", "free"} and "the host moves" in json.dumps(listed["held"])
    # The relay has learnt of it when it has looked at the table again: wait for that, then insert.
    marker = database.insert(type="free")
    eventually(lambda: database.status(marker) == "completed")
    held = database.insert(type="held")
    for _ in range(3):
        marker = database.insert(type="free")
        eventually(lambda: database.status(marker) == "completed")
    assert (database.status(held), receiver.got("/held")) == ("pending", [])
    assert "held" in tallypost("status", "--config", running.config).good().out
    tallypost("route", "resume", "held", "--config", running.config).good()
    eventually(lambda: database.status(held) == "completed")


def test_status_counts(database: Database, receiver: Receiver, relay, tallypost) -> None:
    receiver.on("/bad", Answer(404))
    running = relay(database, routes={"good": route(receiver.url()), "bad": route(receiver.url("/bad"))}).start()
    database.insert_many(30, "good", type="good")
    database.insert_many(4, "bad", type="bad")
    database.insert(type="good", run_at=database.later(3600))
    eventually(lambda: database.statuses() == {"completed": 30, "failed": 4, "pending": 1}, what=database.statuses)
    told = tallypost("status", "--config", running.config, "--json").good().json
    types = {entry["type"]: entry["statuses"] for entry in told["types"]}
    assert types["good"] | {"completed": 30, "pending": 1, "failed": 0} == types["good"]
    assert types["bad"]["failed"] == 4
    assert told["due"] == 0 and told["finishedLastMinute"]["completed"] == 30
    page = tallypost("status", "--config", running.config).good().out
    assert "good" in page and "30" in page


def test_status_says_that_no_relay_runs(database: Database, tallypost) -> None:
    database.insert(type="task", run_at=database.later(-600))
    told = tallypost("status", "--database", database.url, "--json").good().json
    assert told["due"] == 1 and 590 < told["oldestDueAgeSeconds"] < 700
    assert any("relay" in finding for finding in told["findings"])


def test_doctor_finds_nothing_wrong_and_then_what_is(database: Database, receiver: Receiver, relay, tallypost) -> None:
    running = relay(database, routes={"task": route(receiver.url())})
    done = tallypost("doctor", "--config", running.config).good()
    for word in ("database", "schema", "permissions", "clock", "task"):
        assert word in done.out, done.out
    assert receiver.got() == [], "a receiver is connected to, and sent nothing"
    port, holder = closed_port()
    running.write({"database": database.url, "routes": {"task": route(f"http://127.0.0.1:{port}/")}})
    done = tallypost("doctor", "--config", running.config)
    assert str(port) in done.out and done.code in (0, 69), done
    holder.close()


def test_doctor_names_a_missing_right(scratch, tallypost) -> None:
    from harness.database import PostgresDatabase

    database = PostgresDatabase(scratch.create())
    tallypost("init", "--database", database.url).good()
    role = f"poor_{os.getpid()}"
    database.execute(f"CREATE ROLE {role} LOGIN")
    try:
        done = tallypost("doctor", "--database", database.url.replace("postgres@", f"{role}@"))
        assert done.code == 78 and "permission" in done.out and "grants.sql" in done.out, done
    finally:
        database.execute(f"DROP OWNED BY {role}")
        database.execute(f"DROP ROLE {role}")
        database.close()

"""The sample receivers of deploy/receivers hold what their guide promises: one effect for each key, through crashes on both sides."""

import http.client
import json
import shutil
import signal
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from harness.database import Database, SQLiteDatabase
from harness.ports import free_port
from harness.routes import route
from harness.waiting import eventually

FOLDER = Path(__file__).parents[2] / "deploy" / "receivers"
NEW, OLD = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "whsec_C2VFsBQIhrscChlQIMV+b5sSYspob7oD"
LANGUAGES = ["python", "node"]


def program(language: str) -> list[str]:
    if language == "python":
        # Debian's, as the guide says, and not the environment's.
        return ["/usr/bin/python3", str(FOLDER / "receiver.py")]
    node = shutil.which("node")
    assert node, "node is missing: install Debian's nodejs"
    return [node, str(FOLDER / "receiver.mjs")]


class Sample:
    """One sample receiver as a process."""

    def __init__(self, language: str, folder: Path, secrets: list[str]) -> None:
        self.language = language
        self.folder = folder
        self.database = folder / f"inbox-{language}"
        self.port = free_port()
        self.secrets = secrets
        self.process: subprocess.Popen | None = None

    def start(self) -> "Sample":
        options = ["--port", str(self.port), "--database", str(self.database)]
        for number, secret in enumerate(self.secrets):
            # From a file, as it should be where others can see the list of processes.
            file = self.folder / f"secret-{number}"
            file.write_text(secret + "\n")
            options += ["--secret", f"@{file}"]
        self.process = subprocess.Popen(
            program(self.language) + options, cwd=self.folder, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self.process.stdout.readline() == f"listening on {self.port}\n"
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(10)
        finally:
            self.process.stdout.close()

    def close(self) -> None:
        if self.process is not None and self.process.poll() is None:
            self.kill()

    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def effects(self) -> list[tuple[str, str, str]]:
        """Key, type and body of every effect, from what is on the disk."""
        if not self.database.exists():
            return []
        if self.language == "python":
            with sqlite3.connect(self.database) as connection:
                return connection.execute("SELECT idempotency_key, task_type, body FROM effects ORDER BY id").fetchall()
        whole, _, _ = self.database.read_text().rpartition("\n")
        entries = [json.loads(line) for line in whole.splitlines()]
        return [(entry["key"], entry["type"], entry["body"]) for entry in entries]

    def post(self, headers: dict[str, str], body: bytes = b"{}", method: str = "POST") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        connection.request(method, "/", body, headers)
        response = connection.getresponse()
        response.read()
        connection.close()
        return response


@pytest.fixture
def sample(tmp_path: Path) -> Iterator[Callable[..., Sample]]:
    made: list[Sample] = []

    def make(language: str, *secrets: str) -> Sample:
        made.append(Sample(language, tmp_path, list(secrets)))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_vectors_are_read_as_they_are_meant(language: str) -> None:
    run = subprocess.run([*program(language), "--vectors", str(FOLDER / "vectors.json")], capture_output=True, text=True, timeout=30)
    assert (run.returncode, run.stderr) == (0, ""), run.stdout
    assert "0 wrong" in run.stdout


@pytest.mark.parametrize("language", LANGUAGES)
def test_one_effect_for_each_task_through_crashes_of_relay_and_receiver(
    database: Database, relay, sample, language: str
) -> None:
    receiver = sample(language, NEW).start()
    running = relay(
        database, environment={"SIGNING": NEW},
        routes={"task": route(
            receiver.url(), secrets=["env:SIGNING"], timeoutSeconds=2, lease="5s", maxAttempts=0, retry={"schedule": ["100ms"]})})
    keys = database.insert_many(600, 'odd "key" \\')
    for goal in (100, 250, 400):
        running.start()
        eventually(lambda: len(receiver.effects()) >= goal, 30, running.text)
        running.kill()
    running.start()
    receiver.kill()
    receiver.start()
    eventually(lambda: database.statuses() == {"completed": 600}, 60, database.statuses)
    effects = receiver.effects()
    assert Counter(key for key, _, _ in effects) == dict.fromkeys(keys, 1)
    assert {(type, body) for _, type, body in effects} == {("task", '{"n":1}')}
    assert running.stop() == 0
    assert receiver.stop() == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_secret_is_changed_without_losing_a_task(sqlite: SQLiteDatabase, relay, sample, language: str) -> None:
    receiver = sample(language, OLD).start()
    environment = {"NEW": NEW, "OLD": OLD}
    config = {"database": sqlite.url, "routes": {"task": route(receiver.url(), secrets=["env:NEW", "env:OLD"])}}
    running = relay(config=config, environment=environment).start()
    first = sqlite.insert(type="task")
    eventually(lambda: sqlite.status(first) == "completed", what=lambda: sqlite.row(first))
    # The receiver learns the new one, and then the relay forgets the old one.
    assert receiver.stop() == 0
    receiver.secrets = [NEW]
    receiver.start()
    config["routes"]["task"]["secrets"] = ["env:NEW"]
    running.reload(config)
    second = sqlite.insert(type="task")
    eventually(lambda: sqlite.status(second) == "completed", what=lambda: sqlite.row(second))
    # One that only knows another secret takes nothing.
    assert receiver.stop() == 0
    receiver.secrets = [OLD]
    receiver.start()
    third = sqlite.insert(type="task")
    eventually(lambda: sqlite.status(third) == "failed", what=lambda: sqlite.row(third))
    assert sqlite.row(third)["response_status"] == 401
    assert len(receiver.effects()) == 2


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_no_request_of_ours_is_refused_and_has_no_effect(sample, language: str) -> None:
    receiver = sample(language).start()
    assert receiver.post({"Idempotency-Key": '"once"'}).status == 200
    again = receiver.post({"Idempotency-Key": '"once"'})
    assert (again.status, again.getheader("Idempotent-Replayed")) == (200, "true")
    assert receiver.post({}).status == 400
    assert receiver.post({"Idempotency-Key": '"open'}).status == 400
    assert receiver.post({"Idempotency-Key": '"long"'}, b"x" * ((1 << 20) + 1)).status == 413
    assert receiver.post({"Idempotency-Key": '"get"'}, b"", "GET").status in (405, 501)
    assert [key for key, _, _ in receiver.effects()] == ["once"]
    # A stop does not wait for connections that are only kept alive.
    idle = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=10)
    idle.request("POST", "/", b"{}", {"Idempotency-Key": '"idle"'})
    assert json.loads(idle.getresponse().read()) == {"effect": 2}
    assert receiver.stop() == 0
    idle.close()
    # And what it knew, it knows.
    receiver.start()
    assert receiver.post({"Idempotency-Key": '"idle"'}).getheader("Idempotent-Replayed") == "true"
    assert receiver.post({"Idempotency-Key": '"new"'}).getheader("Idempotent-Replayed") is None
    assert [key for key, _, _ in receiver.effects()] == ["once", "idle", "new"]


def test_half_a_line_at_the_end_of_the_journal_was_never_answered(sample) -> None:
    receiver = sample("node").start()
    assert receiver.post({"Idempotency-Key": '"a"'}).status == 200
    receiver.kill()
    with open(receiver.database, "ab") as journal:
        journal.write(b'{"key":"b","answer":{"eff')
    receiver.start()
    assert receiver.post({"Idempotency-Key": '"b"'}).getheader("Idempotent-Replayed") is None
    receiver.kill()
    receiver.start()
    assert receiver.post({"Idempotency-Key": '"b"'}).getheader("Idempotent-Replayed") == "true"
    assert [key for key, _, _ in receiver.effects()] == ["a", "b"]

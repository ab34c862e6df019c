"""Alerts are tasks: told on transitions, once by however many relays, and the real Alertmanager understands them."""

import json
import shutil
import subprocess
import urllib.request
from pathlib import Path

import pytest

from harness.database import Database
from harness.ports import free_port
from harness.receiver import Answer, Receiver
from harness.routes import route
from harness.waiting import eventually


class Alertmanager:
    """Debian's, on a free port, alone."""

    def __init__(self, folder: Path) -> None:
        binary = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
        assert binary, "no prometheus-alertmanager: install Debian's package of that name"
        (folder / "alertmanager.yml").write_text("route: {receiver: none}\nreceivers: [{name: none}]\n")
        self.url = f"http://127.0.0.1:{free_port()}"
        self.log = open(folder / "alertmanager.log", "wb")
        self.process = subprocess.Popen(
            [binary, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'am'}",
             f"--web.listen-address={self.url[7:]}", "--cluster.listen-address="],
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        eventually(lambda: self.get("/-/ready", plain=True), 20, lambda: (folder / "alertmanager.log").read_text()[-2000:])

    def get(self, path: str, plain: bool = False):
        try:
            with urllib.request.urlopen(self.url + path, timeout=5) as answer:
                body = answer.read()
                return True if plain else json.loads(body)
        except OSError as error:
            raise AssertionError(error) from None

    def alerts(self) -> list[dict]:
        return self.get("/api/v2/alerts?active=true")

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(10)
        self.log.close()


@pytest.fixture
def alertmanager(tmp_path: Path):
    made = Alertmanager(tmp_path)
    yield made
    made.close()


def told(database: Database) -> list[dict]:
    return database.query("SELECT * FROM pending_tasks WHERE type LIKE 'tallypost.alert/%' ORDER BY id")


def test_firing_and_resolved_reach_alertmanager_once_by_two_relays(
    database: Database, receiver: Receiver, alertmanager: Alertmanager, relay
) -> None:
    # A paused route: what is due stays due.
    database.execute("INSERT INTO task_routes (type, paused_at, paused_by, reason) VALUES ('task', :now, 'test', 'test')", now=database.later(0))
    keys = database.insert_many(12, "k")
    alerts = [{"name": "am", "format": "alertmanager", "url": alertmanager.url, "depthOver": 10}]
    both = [relay(database, routes={"task": route(receiver.url())}, alerts=alerts).start() for _ in range(2)]
    (alert,) = eventually(alertmanager.alerts, 30, lambda: (told(database), both[0].text()))
    assert alert["labels"]["alertname"] == "TallypostBacklog" and alert["labels"]["severity"] == "high"
    assert "12 tasks are due" in alert["annotations"]["summary"]
    assert alert["endsAt"] > alert["startsAt"]

    database.execute("DELETE FROM task_routes")
    eventually(lambda: database.statuses().get("completed", 0) >= len(keys), 30, database.statuses)
    eventually(lambda: alertmanager.alerts() == [], 40, lambda: told(database))
    assert [row["idempotency_key"] for row in told(database)] == ["alert-am-depth-1", "alert-am-depth-2"]
    eventually(lambda: {row["status"] for row in told(database)} == {"completed"}, 15, lambda: told(database))
    (state,) = database.query("SELECT * FROM tallypost_alerts")
    assert (state["name"], bool(state["firing"]), state["epoch"]) == ("am/depth", False, 2)


def test_a_failure_rate_is_told_to_webhook_and_slack_and_its_own_dead_letters_cause_no_storm(
    database: Database, receiver: Receiver, relay, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("whsec_" + "c2VjcmV0" * 6)
    receiver.always(lambda request: Answer() if request.path in ("/hook", "/slack") else Answer(404))
    database.insert_many(25, "k", max_attempts=1)
    alerts = [
        {"name": "hook", "url": receiver.url("/hook"), "secrets": [f"file:{secret}"], "failureRateOver": 0.5},
        {"name": "slack", "url": receiver.url("/slack"), "format": "slack", "failureRateOver": 0.5},
        {"name": "dead", "url": receiver.url("/dead"), "failureRateOver": 0.5, "depthOver": 100, "stuckOver": 0}]
    relay(database, routes={"task": route(receiver.url())}, alerts=alerts).start()
    (hook,) = eventually(lambda: receiver.got("/hook"), 40, lambda: told(database))
    (slack,) = eventually(lambda: receiver.got("/slack"), 40, lambda: told(database))
    body = json.loads(hook.body)
    assert body["event"] == "alert.firing" and body["alert"]["condition"] == "failure_rate" and body["alert"]["count"] == 25
    assert hook.header("webhook-signature") and hook.header("Tallypost-Task-Type") == "tallypost.alert/hook"
    assert json.loads(slack.body)["text"].startswith("FIRING: 25 of 25 tasks")
    eventually(lambda: [row["status"] for row in told(database) if row["type"].endswith("/dead")] == ["failed"], 20, lambda: told(database))
    # Another look or two.
    looks = lambda: database.value("SELECT count(*) FROM tallypost_alerts")  # noqa: E731
    assert looks() == 3 and len(told(database)) == 3


REFUSED = {
    "no url": ({"depthOver": 1}, "has no url"),
    "a format": ({"url": "http://127.0.0.1:9/", "format": "slak"}, 'did you mean "slack"'),
    "a rate": ({"url": "http://127.0.0.1:9/", "failureRateOver": 2}, "number from 0 to 1"),
    "a severity": ({"url": "http://127.0.0.1:9/", "findings": "hgh"}, 'did you mean "high"'),
    "a reminder": ({"url": "http://127.0.0.1:9/", "remindEvery": "1s"}, "shorter than 1m"),
    "a name": ({"url": "http://127.0.0.1:9/", "name": "a/b"}, "no name of an alert"),
    "missed runs of nothing": ({"url": "http://127.0.0.1:9/", "missedRun": True}, "nothing runs"),
    "a key": ({"url": "http://127.0.0.1:9/", "depthOvr": 1}, 'did you mean "depthOver"'),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_mistake_in_an_alert_is_named(name: str, tallypost, tmp_path: Path) -> None:
    alert, words = REFUSED[name]
    file = tmp_path / "tallypost.json5"
    file.write_text(json.dumps({"database": "sqlite:/nowhere.db", "routes": {"a": route("http://127.0.0.1:9/")}, "alerts": [alert]}))
    err = tallypost("run", "--config", file).exited(78).err
    assert "alerts[0]" in err and words in err, err


def test_two_alerts_of_one_name_are_refused(tallypost, tmp_path: Path) -> None:
    file = tmp_path / "tallypost.json5"
    alert = {"url": "http://127.0.0.1:9/"}
    file.write_text(json.dumps({"database": "sqlite:/nowhere.db", "routes": {"a": route("http://127.0.0.1:9/")}, "alerts": [alert, alert]}))
    assert "second alert named" in tallypost("run", "--config", file).exited(78).err

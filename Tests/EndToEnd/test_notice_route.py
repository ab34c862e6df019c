"""The route of notices is there without being configured, goes where rows say, and is guarded like every row's URL."""

from harness.database import Database
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually


def notice(database: Database, **columns) -> int:
    return database.insert(type="tallypost.notice", payload='{"event":"task.completed"}', **columns)


def test_notices_need_no_configuration_and_are_guarded(database: Database, receiver: Receiver, relay) -> None:
    allowed = notice(database, target_url=receiver.url("/told"))
    forbidden = notice(database, target_url="http://127.0.0.1:9/")
    nowhere = notice(database)
    one = relay(database, routes={"task": route(receiver.url())}, allow=[receiver.origin]).start()
    eventually(lambda: database.statuses() == {"completed": 1, "failed": 2}, 15, database.statuses)
    assert database.status(allowed) == "completed"
    assert "target_url is NULL" in database.row(nowhere)["last_error"]
    assert "127.0.0.1" in database.row(forbidden)["last_error"]
    request = receiver.got("/told")[0]
    assert (request.header("Tallypost-Task-Type"), request.body) == ("tallypost.notice", b'{"event":"task.completed"}')
    assert not one.lines("no route for a type in the table: its tasks are set aside as failed")


def test_notices_take_options_but_no_url(database: Database, receiver: Receiver, relay) -> None:
    notice(database, target_url=receiver.url("/told"))
    options = {"headers": {"X-Shop": "main"}, "maxAttempts": 2}
    relay(database, routes={"tallypost.notice": options}, allow=[receiver.origin]).start()
    eventually(lambda: database.statuses() == {"completed": 1}, 15, database.statuses)
    assert receiver.got("/told")[0].header("X-Shop") == "main"

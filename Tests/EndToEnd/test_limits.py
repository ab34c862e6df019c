"""Rates, breakers and Retry-After, and what is said of them."""

import json

from harness.database import Database
from harness.receiver import Answer, Receiver
from harness.routes import route
from harness.waiting import eventually


def test_a_rate_is_kept_and_holds_nothing_else(database: Database, receiver: Receiver, relay) -> None:
    database.insert_many(45, "slow", type="slow")
    routes = {"slow": route(receiver.url("/slow"), rate="20/s", burst=5), "fast": route(receiver.url("/fast"))}
    relay(database, routes=routes).start()
    database.insert_many(100, "fast", type="fast")
    eventually(lambda: database.statuses() == {"completed": 145}, 20, database.statuses)
    times = sorted(request.at for request in receiver.got("/slow"))
    assert len(times) == 45
    # A burst of 5 and 20 a second; what is late on its way may come close to the next.
    for first, last in ((first, last) for first in range(45) for last in range(first, 45)):
        assert last - first + 1 <= 5 + 20 * (times[last] - times[first] + 0.25) + 1
    assert len(receiver.got("/fast")) == 100


def test_a_broken_destination_is_left_alone_and_people_are_told(
    database: Database, receiver: Receiver, relay, tallypost
) -> None:
    receiver.on("/broken", Answer(503))
    options = {"maxAttempts": 0, "concurrency": 4, "retry": {"schedule": ["10ms"]}}
    running = relay(database, routes={"broken": route(receiver.url("/broken"), **options)}).start()
    ids = database.insert_many(50, "broken", type="broken")
    (line,) = eventually(lambda: running.lines("breaker opened"), what="the breaker opens")
    assert receiver.origin.removeprefix("http://") in str(line) and "retry_after_ms" in str(line)
    eventually(lambda: database.statuses() == {"pending": 50}, what="what was in hand is given back")
    sent = len(receiver.got("/broken"))
    assert 10 <= sent <= 14
    assert database.value("SELECT sum(attempts) AS n FROM pending_tasks") == sent, "waiting costs no attempts"

    some = database.value("SELECT min(id) AS n FROM pending_tasks")
    told = eventually(
        lambda: (said := tallypost("task", "explain", str(some), "--config", running.config).good().out)
        and "sends nothing to" in said and said)
    assert "attempts there failed" in told
    page = tallypost("status", "--config", running.config).good().out
    assert "held back" in page and receiver.origin in page
    state = json.loads(tallypost("status", "--config", running.config, "--json").good().out)["relays"][0]["state"]
    assert state["restraints"][0]["reason"] == "breaker"
    assert len(receiver.got("/broken")) == sent and len(ids) == 50

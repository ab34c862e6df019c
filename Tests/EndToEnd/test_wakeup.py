"""An idle relay hears of a commit at once, on both engines; and without any help of the database it looks for itself."""

import statistics
import time

from harness.database import Database
from harness.receiver import Receiver
from harness.routes import route
from harness.waiting import eventually


def latencies(database: Database, receiver: Receiver, count: int) -> list[float]:
    """From the commit of a row to its request, with the relay idle before each."""
    found = []
    for number in range(count):
        key = f"k-{number}"
        database.insert(type="task", idempotency_key=key)
        committed = time.monotonic()
        request = eventually(lambda: receiver.got(key=key), 5)[0]
        found.append(request.at - committed)
        eventually(lambda: database.statuses() == {"completed": number + 1})
    return found


def test_an_idle_relay_is_woken_by_a_commit(database: Database, receiver: Receiver, relay) -> None:
    relay(database, routes={"task": route(receiver.url())}).start()
    found = latencies(database, receiver, 15)
    print(found)
    # The machine may be busy; looking once a second, which is what happens when nobody wakes the relay, takes far longer.
    assert statistics.median(found) < 0.1, found


def test_an_idle_relay_that_polls_finds_a_commit(database: Database, receiver: Receiver, relay) -> None:
    relay(database, wakeup="poll", routes={"task": route(receiver.url())}).start()
    found = latencies(database, receiver, 5)
    print(found)
    assert max(found) < 3, found

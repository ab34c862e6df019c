"""Several relays on one database share its work, and a relay that stands still loses what it held, and only that."""

import signal
from collections import Counter

from harness.database import Database
from harness.receiver import Answer, Gate, Receiver
from harness.routes import route
from harness.waiting import eventually


def test_two_relays_share_the_work_and_no_row_is_held_twice_in_one_epoch(
    database: Database, receiver: Receiver, relay
) -> None:
    # Slow enough that neither can do it all before the other looks.
    receiver.always(Answer(delay=0.01))
    relays = [
        relay(database, routes={"task": route(receiver.url(), concurrency=8, headers={"X-Relay": name})}).start()
        for name in ("a", "b")]
    keys = database.insert_many(1_500, "k")
    eventually(lambda: database.statuses() == {"completed": 1_500}, 60, database.statuses)
    assert [one.stop() for one in relays] == [0, 0]

    assert receiver.counts() == dict.fromkeys(keys, 1)
    held = Counter((request.task, request.attempt) for request in receiver.got())
    assert max(held.values()) == 1
    shares = Counter(request.header("X-Relay") for request in receiver.got())
    print(shares)
    assert min(shares["a"], shares["b"]) >= 300, shares


def test_a_relay_that_stands_still_loses_its_rows_and_its_late_outcomes_change_nothing(
    database: Database, receiver: Receiver, relay
) -> None:
    # The first attempts are held, and answered with 404 when nobody waits any more; everything else is taken.
    gate = Gate(Answer(404))
    receiver.always(lambda request: gate if request.key.startswith("k-") and request.attempt == 1 else Answer())
    routes = lambda name: {  # noqa: E731
        "task": route(receiver.url(), timeoutSeconds=1, lease="4s", concurrency=10, headers={"X-Relay": name})}
    still = relay(database, routes=routes("still")).start()
    keys = database.insert_many(10, "k")
    eventually(lambda: len(receiver.got()) == 10)
    still.signal(signal.SIGSTOP)

    other = relay(database, routes=routes("other")).start()
    fresh = database.insert_many(10, "fresh")
    eventually(lambda: database.statuses() == {"completed": 20}, 20, database.statuses)
    assert other.lines("lease ran out"), "and says so"
    before = database.rows()
    assert {row["attempts"] for row in before if row["idempotency_key"] in keys} == {2}
    assert {row["attempts"] for row in before if row["idempotency_key"] in fresh} == {1}

    gate.open()
    still.signal(signal.SIGCONT)
    eventually(lambda: still.lines("lost leases"), 15, still.text)
    # Both go on working.
    more = database.insert_many(50, "more")
    eventually(lambda: database.statuses() == {"completed": 70}, 20, database.statuses)
    assert [row for row in database.rows() if row["idempotency_key"] not in more] == before
    assert Counter(request.key for request in receiver.got() if request.header("X-Relay") == "other")["k-0"] == 1
    assert [one.stop() for one in (still, other)] == [0, 0]


def test_a_rollout_hands_over_without_a_double(database: Database, receiver: Receiver, relay) -> None:
    """The new relay starts, the old one stops, in the middle of the work."""
    receiver.always(Answer(delay=0.005))
    routes = {"task": route(receiver.url(), concurrency=8)}
    running = relay(database, routes=routes).start()
    keys = database.insert_many(1_000, "k")
    for _ in range(3):
        seen = len(receiver.requests)
        eventually(lambda: len(receiver.requests) >= min(seen + 100, 1_000))
        following = relay(database, routes=routes).start()
        # Well before a lease would end: whatever it had claimed and not sent goes to the other at once.
        assert running.stop(within=8) == 0
        running = following
    eventually(lambda: database.statuses() == {"completed": 1_000}, 15, database.statuses)
    assert receiver.counts() == dict.fromkeys(keys, 1)

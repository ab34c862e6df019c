"""Tasks that share an ordering key are sent one at a time, in the order of their ids."""

import random
import zlib
from collections import defaultdict

from harness.database import Database
from harness.receiver import Answer, Receiver
from harness.routes import route
from harness.waiting import eventually


def test_keys_keep_their_order_though_heads_fail_and_are_tried_again(database: Database, receiver: Receiver, relay) -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    choose = random.Random(seed)
    refused: set[str] = set()

    def script(request):
        # One in four is refused at first, and answers take their time.
        if request.key not in refused and zlib.crc32(f"{seed} {request.key}".encode()) % 4 == 0:
            refused.add(request.key)
            return Answer(503)
        return Answer(delay=choose.random() / 100)

    receiver.always(script)
    running = relay(database, routes={"task": route(receiver.url(), retry={"schedule": ["20ms"]})}).start()
    database.execute("BEGIN")
    for number in range(160):
        key = choose.choice(["a", "b", "c", "d", None])
        # Neither priority nor an earlier time lets one overtake on its key.
        database.insert(
            type="task", idempotency_key=f"{key}-{number}", ordering_key=key, priority=choose.randrange(5),
            run_at=database.later(-choose.randrange(100)))
    database.execute("COMMIT")
    eventually(lambda: database.statuses() == {"completed": 160}, 30, database.statuses)
    assert running.stop() == 0

    lanes = defaultdict(list)
    for request in receiver.got():
        lanes[request.key.split("-")[0]].append(request)
    for key in "abcd":
        lane = lanes[key]
        assert [request.task for request in lane] == sorted(request.task for request in lane), f"order of {key}"
        for first, second in zip(lane, lane[1:]):
            assert second.at >= first.answered_at, f"two of {key} at once: {first.key} and {second.key}"
    assert len(refused) > 0 and len(receiver.got()) == 160 + len(refused)


def test_a_failed_head_lets_the_others_go_on_or_blocks_them_as_the_route_says(
    database: Database, receiver: Receiver, relay, tallypost
) -> None:
    receiver.always(lambda request: Answer(404) if request.key.endswith("head") and request.attempt == 1 else Answer())
    running = relay(
        database, routes={
            "skips": route(receiver.url(), whenFailed="skip"), "blocks": route(receiver.url(), whenFailed="block")}).start()
    ids = {}
    for type in ("skips", "blocks"):
        for name in ("head", "second", "third"):
            ids[f"{type}-{name}"] = database.insert(type=type, ordering_key=type, idempotency_key=f"{type}-{name}")
    eventually(lambda: database.status(ids["skips-third"]) == "completed")
    eventually(lambda: database.status(ids["blocks-head"]) == "failed")
    assert database.status(ids["skips-head"]) == "failed"
    # A task that came later has been through: the blocked ones had their chance.
    marker = database.insert(type="blocks", ordering_key="another")
    eventually(lambda: database.status(marker) == "completed")
    assert [database.status(ids[f"blocks-{name}"]) for name in ("second", "third")] == ["pending", "pending"]
    said = tallypost("task", "explain", ids["blocks-second"], "--config", running.config).good().out
    assert str(ids["blocks-head"]) in said, said

    # A person retries the head (its attempts start anew, so the receiver would refuse again: let it not).
    receiver.always(Answer())
    tallypost("task", "retry", ids["blocks-head"], "--config", running.config).good()
    eventually(lambda: database.status(ids["blocks-third"]) == "completed")
    tail = [request.key for request in receiver.got() if request.key.startswith("blocks")]
    assert tail == ["blocks-head", "blocks-head", "blocks-second", "blocks-third"]


def test_a_blocked_key_is_free_when_its_head_is_cancelled(database: Database, receiver: Receiver, relay, tallypost) -> None:
    running = relay(database, routes={"task": route(receiver.url())}).start()
    head = database.insert(type="task", ordering_key="k", run_at=database.later(3600))
    behind = database.insert(type="task", ordering_key="k")
    marker = database.insert(type="task", ordering_key="other")
    eventually(lambda: database.status(marker) == "completed")
    assert database.status(behind) == "pending", "a head that is due later holds its key"
    tallypost("task", "cancel", head, "--config", running.config).good()
    eventually(lambda: database.status(behind) == "completed")
    assert database.status(head) == "cancelled"

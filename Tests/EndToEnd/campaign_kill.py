#!/usr/bin/env python3
"""Crashes the relay, or its PostgreSQL, again and again in the middle of a drain, and counts what that cost.

The receiver's own record is the judge. What must hold, whatever is killed when:

- every committed task ends `completed`, and the receiver has answered it 2xx: nothing is lost;
- no task is `completed` that the receiver has not answered 2xx;
- a key comes again only if a request for it was in flight at a crash: the receiver had it, and its outcome was not in the
  database yet. One crash explains one more request of each key that was in flight at it, and no more.

As a script: 200 crashes during a drain of 20,000 tasks, on each engine, and 200 crashes of PostgreSQL. `--help` says more.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from harness.cli import CommandLine  # noqa: E402
from harness.database import Database, PostgresDatabase, SQLiteDatabase  # noqa: E402
from harness.postgres import PrivateServer, Scratch  # noqa: E402
from harness.receiver import Answer, Receiver  # noqa: E402
from harness.relay import Relay  # noqa: E402
from harness.routes import route  # noqa: E402
from harness.waiting import eventually  # noqa: E402

CONCURRENCY = 16
# Milliseconds up to 10, so that there is always something in flight.
DELAYS = [Answer(delay=number / 1000) for number in range(11)]


@dataclass
class Toll:
    """What a campaign cost."""

    what: str
    seed: int
    tasks: int
    crashes: int
    # Tasks that did not end `completed`, or that the receiver never answered 2xx.
    lost: int
    completed_without_2xx: int
    # Requests beyond the first of their key.
    doubles: int
    # Requests that the receiver had and whose outcomes were not written, summed over the crashes; and the most at one.
    in_flight: int
    most_in_flight: int
    # Doubles of keys that were in flight at fewer crashes than they were doubled.
    unexplained: int
    # Requests that the relay itself gave up on (the machine was slow), which explain doubles too.
    given_up: int
    seconds: float

    def __str__(self) -> str:
        return (
            f"{self.what}: {self.crashes} crashes, {self.tasks} tasks, {self.lost} lost, "
            f"{self.completed_without_2xx} completed without a 2xx, {self.doubles} doubles, {self.unexplained} of them unexplained, "
            f"{self.in_flight} in flight at the crashes (at most {self.most_in_flight} at one), {self.given_up} requests given up, "
            f"{self.seconds:.0f} s, seed {self.seed}")

    def check(self) -> None:
        assert self.lost == 0, self
        assert self.completed_without_2xx == 0, self
        assert self.doubles <= self.in_flight + self.given_up, self
        assert self.unexplained == 0, self


class Campaign:
    """One drain with its crashes."""

    def __init__(self, binary: Path, folder: Path, database: Database, tasks: int, crashes: int, seed: int) -> None:
        self.database = database
        self.tasks = tasks
        self.crashes = crashes
        self.seed = seed
        self.choose = random.Random(seed)
        self.receiver = Receiver()
        self.receiver.always(lambda request: DELAYS[request.task % len(DELAYS)])
        # Short leases, or the drain would wait for half a minute for what a crash left; attempts without an end, because a
        # crash costs one each.
        options = {"timeoutSeconds": 2, "lease": "5s", "maxAttempts": 0, "concurrency": CONCURRENCY, "retry": {"schedule": ["100ms"]}}
        self.relay = Relay(
            binary, folder, {"database": database.url, "routes": {"task": route(self.receiver.url(), **options)}})
        # How often each key was in flight at a crash, and which of its attempts have been counted.
        self.in_flight: Counter[str] = Counter()
        self.counted: set[tuple[int, int]] = set()
        self.at_crashes: list[int] = []

    def record_in_flight(self) -> None:
        """Which requests the receiver had at this moment whose outcomes the database does not have. What an earlier crash has
        left, and waits for the end of its lease, is not counted again."""
        had = {(request.task, request.attempt): request.key for request in list(self.receiver.requests)}
        open_rows = self.database.query("SELECT id, attempts FROM pending_tasks WHERE status = 'processing'")
        found = {(row["id"], row["attempts"]) for row in open_rows} & had.keys() - self.counted
        self.counted |= found
        self.in_flight.update(had[attempt] for attempt in found)
        self.at_crashes.append(len(found))

    def progress(self, goal: int, within: float = 60) -> None:
        """Waits until the receiver has got so many requests in all, and at least one more than now."""
        goal = max(goal, len(self.receiver.requests) + 1)
        deadline = time.monotonic() + within
        while len(self.receiver.requests) < goal:
            assert time.monotonic() < deadline, f"no progress from {len(self.receiver.requests)} to {goal}\n{self.state()}"
            assert self.relay.is_running, f"the relay ended by itself\n{self.state()}"
            time.sleep(0.0005)

    def state(self) -> str:
        """What a person wants to see when nothing goes on."""
        facts = [f"crashes so far: {len(self.at_crashes)}", str(self.database.statuses())]
        if self.database.engine == "postgres":
            sessions = self.database.query(
                "SELECT pid, application_name, state, wait_event_type, wait_event, now() - xact_start AS age, pg_blocking_pids(pid) AS "
                "blocked_by, left(query, 120) AS query FROM pg_stat_activity WHERE datname = current_database()")
            facts += [str(session) for session in sessions]
        return "\n".join([*facts, "the relay's log:", self.relay.text()[-4000:]])

    def goals(self) -> list[int]:
        """After how many requests to crash: anywhere in the first nine tenths of the drain."""
        return sorted(self.choose.randrange(1, self.tasks * 9 // 10) for _ in range(self.crashes))

    def kill_relays(self) -> None:
        """kill -9, at any moment of a relay's life, that before it was ready included."""
        for goal in self.goals():
            self.relay.spawn()
            if self.choose.random() < 0.05:
                time.sleep(self.choose.random() / 20)
            else:
                self.progress(goal)
            self.relay.kill()
            # The kernel has closed its connections; whatever it had sent has come when the receiver has seen that.
            eventually(lambda: not self.receiver.connections, 10, "the connections of a dead process")
            self.record_in_flight()
        self.relay.start()

    def crash_postgres(self, server: PrivateServer) -> None:
        """`pg_ctl stop -m immediate` and a start, under a relay that goes on running."""
        self.relay.start()
        for goal in self.goals():
            self.progress(goal)
            server.stop("immediate")
            self.database.close()
            # What is in flight is answered, and cannot be written. The relay stands still while we look.
            self.relay.signal(signal.SIGSTOP)
            server.start()
            self.record_in_flight()
            self.relay.signal(signal.SIGCONT)

    def run(self, what: str, server: PrivateServer | None = None) -> Toll:
        began = time.monotonic()
        try:
            keys = self.database.insert_many(self.tasks, "k")
            if server:
                self.crash_postgres(server)
            else:
                self.kill_relays()
            eventually(
                lambda: self.database.statuses() == {"completed": self.tasks}, 60 + self.tasks / 100, self.database.statuses)
            assert self.relay.stop() == 0
            self.relay.arguments = ("--drain",)
            assert self.relay.spawn().wait(60) == 0
            return self.count(what, keys, time.monotonic() - began)
        finally:
            self.relay.close()
            self.receiver.close()
            self.database.close()

    def count(self, what: str, keys: list[str], seconds: float) -> Toll:
        requests = self.receiver.counts()
        answered = {request.key for request in self.receiver.got() if request.answered == 200}
        completed = {row["idempotency_key"] for row in self.database.rows() if row["status"] == "completed"}
        given_up = Counter(
            row["idempotency_key"] for row in self.database.query(
                "SELECT t.idempotency_key FROM task_attempts a JOIN pending_tasks t ON t.id = a.task_id "
                "WHERE a.error NOT LIKE '%stopped answering%'"))
        assert set(requests) <= set(keys), "a key that nobody committed"
        return Toll(
            what=what, seed=self.seed, tasks=len(keys), crashes=len(self.at_crashes), lost=len(set(keys) - (answered & completed)),
            completed_without_2xx=len(completed - answered), doubles=sum(requests.values()) - len(requests),
            in_flight=sum(self.at_crashes), most_in_flight=max(self.at_crashes, default=0),
            unexplained=sum(
                max(0, count - 1 - self.in_flight[key] - given_up[key]) for key, count in requests.items()),
            given_up=given_up.total(), seconds=seconds)


def main() -> int:
    parser = argparse.ArgumentParser(description="Crashes the relay or its PostgreSQL during a drain, and counts what that cost.")
    parser.add_argument("campaigns", nargs="*", default=["sqlite", "postgres", "postgres-immediate"],
                        help="which: sqlite, postgres (kill -9 of the relay), postgres-immediate (crashes of the server)")
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--crashes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    arguments = parser.parse_args()
    default = Path(__file__).parents[2] / ".build" / "release" / "tallypost"
    binary = Path(os.environ.get("TALLYPOST_BINARY", default)).resolve()

    # Ends like Ctrl-C, so that no server is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    failed = False
    for campaign in arguments.campaigns:
        with tempfile.TemporaryDirectory(prefix="tallypost-campaign-") as name:
            folder = Path(name)
            server = PrivateServer() if campaign.startswith("postgres") else None
            try:
                database = PostgresDatabase(Scratch(server.url).create()) if server else SQLiteDatabase(folder / "shop.db")
                CommandLine(binary)("init", "--database", database.url).good()
                made = Campaign(binary, folder / "relay", database, arguments.tasks, arguments.crashes, arguments.seed)
                toll = made.run(campaign, server if campaign == "postgres-immediate" else None)
                print(f"RESULT {toll}", flush=True)
                toll.check()
            except AssertionError as error:
                print(f"FAILED {campaign}, seed {arguments.seed}: {error}", flush=True)
                failed = True
            finally:
                if server:
                    server.remove()
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""The demo proves itself from the rows, and leaves nothing behind however it ends."""

import os
import pty
import re
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import pytest

SHORT = ["--orders", "60", "--seconds", "3"]


def environment(directory):
    return {"TMPDIR": str(directory), "TERM": "xterm", "LANG": "C.UTF-8", "PATH": os.environ["PATH"]}


@pytest.fixture
def start(binary, tmp_path):
    """Starts a demo whose temporary directory is the test's own."""
    def run(*arguments, stdout=subprocess.PIPE):
        return subprocess.Popen(
            [binary, "demo", *arguments], env=environment(tmp_path), cwd=tmp_path, text=True,
            stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.STDOUT)
    return run


def processes_of(directory):
    """Processes that were given a path in the directory: every child of the demo is."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if str(directory).encode() in line:
                found.append(entry.name)
    return found


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


def test_a_demo_is_proven_and_leaves_nothing(start, tmp_path):
    demo = start(*SHORT)
    output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, output
    assert "PROVEN: every committed order" in output
    assert "tallypost init --database" in output
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


def test_the_kept_databases_say_the_same_when_asked_again(start, tmp_path):
    kept = tmp_path / "kept"
    demo = start(*SHORT, "--keep", str(kept), "--plain")
    output, _ = demo.communicate(timeout=120)
    assert demo.returncode == 0, output
    with sqlite3.connect(kept / "shop.db") as shop:
        shop.execute("ATTACH ? AS receiver", [str(kept / "receiver.db")])
        orders = [row[0] for row in shop.execute("SELECT id FROM orders")]
        firsts = dict(shop.execute(
            "SELECT key, count(*) FROM receiver.requests WHERE status = 200 AND is_repeat = 0 GROUP BY key"))
        keys = {row[0] for row in shop.execute("SELECT idempotency_key FROM pending_tasks")}
        requested = {row[0] for row in shop.execute("SELECT key FROM receiver.requests")}
        rolled_back = shop.execute("SELECT count(*) FROM rolled_back").fetchone()[0]
    assert 0 < len(orders) == 60 - rolled_back
    assert all(firsts.get(f"receipt-{order}") == 1 for order in orders)
    assert requested == keys
    counts = re.search(r"orders committed +(\d+)", output)
    assert counts and int(counts[1]) == len(orders)
    assert (kept / "proof.sql").exists()

    again = start(*SHORT, "--keep", str(kept))
    output, _ = again.communicate(timeout=30)
    assert again.returncode == 64, output


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("delay", [0, 0.1, 1.5])
def test_an_interrupted_demo_leaves_nothing(start, tmp_path, signal_number, delay):
    demo = start("--seconds", "30", "--orders", "600")
    # From the moment that there is something to remove, at any moment.
    wait_until(lambda: list(tmp_path.iterdir()))
    time.sleep(delay)
    demo.send_signal(signal_number)
    output, _ = demo.communicate(timeout=20)
    assert demo.returncode == 130, output
    assert list(tmp_path.iterdir()) == []
    assert processes_of(tmp_path) == []


def test_a_killed_demo_takes_its_processes_along(start, tmp_path):
    demo = start("--seconds", "30", "--orders", "600")
    wait_until(lambda: len(processes_of(tmp_path)) >= 3)
    demo.kill()
    demo.communicate(timeout=20)
    wait_until(lambda: processes_of(tmp_path) == [])


def test_the_live_view_gives_the_cursor_back(start):
    controller, terminal = pty.openpty()
    demo = start("--seconds", "30", "--orders", "600", stdout=terminal)
    os.close(terminal)
    seen = b""
    while b"delivered/s" not in seen:
        seen += os.read(controller, 65536)
    demo.send_signal(signal.SIGINT)
    try:
        while piece := os.read(controller, 65536):
            seen += piece
    except OSError:
        pass  # Linux says EIO when nobody has the terminal open any more.
    assert demo.wait(timeout=20) == 130
    assert seen.count(b"\x1b[?25l") == 1
    assert seen.rindex(b"\x1b[?25h") > seen.rindex(b"\x1b[?25l")
    os.close(controller)

"""`tallypost run` as a process."""

import json
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

from .notify import NotifySocket
from .waiting import eventually


class Relay:
    """One relay process with its configuration file, its log and its own NOTIFY_SOCKET.

    When a test is over, whatever still runs is stopped, and its log is printed: pytest shows it for a test that failed.
    """

    def __init__(
        self, binary: Path, folder: Path, config: dict[str, Any] | str, arguments: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
    ) -> None:
        self.binary = binary
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "tallypost.json5"
        self.log = folder / "stderr"
        self.write(config)
        self.arguments = arguments
        self.environment = environment or {}
        self.notify = NotifySocket()
        self.process: subprocess.Popen | None = None
        # Endings that were not asked for, or not like that.
        self.faults: list[str] = []
        # Whether log lines begin with a priority, as the journal wants them.
        self.prefixed = False
        self._ending_is_ours = False

    def write(self, config: dict[str, Any] | str) -> None:
        """Writes the configuration; a running relay reads it at its next SIGHUP."""
        self.config.write_text(config if isinstance(config, str) else json.dumps(config, indent=2))

    def spawn(self) -> "Relay":
        """Starts the process and does not wait for it to be ready."""
        assert self.process is None or self.process.poll() is not None, "it runs already"
        environment = {name: value for name, value in os.environ.items() if name not in ("JOURNAL_STREAM", "NOTIFY_SOCKET")}
        # What it remembers of databases outlives it, and must not outlive the test.
        environment |= {"NOTIFY_SOCKET": self.notify.path, "XDG_STATE_HOME": str(self.folder / "state"), **self.environment}
        self._seen = len(self.notify.messages)
        self._ending_is_ours = False
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [self.binary, "run", "--config", str(self.config), *self.arguments], cwd=self.folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self

    def start(self, within: float = 20) -> "Relay":
        """Starts the process and waits until it says READY=1."""
        self.spawn()
        eventually(
            lambda: "READY=1" in self.notify.lines(self._seen) or self.process.poll() is not None, within,
            lambda: f"the relay is not ready; its log:\n{self.text()}")
        assert self.process.poll() is None, f"the relay ended with {self.process.returncode}; its log:\n{self.text()}"
        return self

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def reload(self, config: dict[str, Any] | str) -> None:
        """Writes a configuration, sends SIGHUP and waits until the relay has dealt with it."""
        self.write(config)
        seen = len(self.notify.messages)
        self.signal(signal.SIGHUP)
        eventually(lambda: "READY=1" in self.notify.lines(seen), 10, lambda: f"no READY=1 after SIGHUP; log:\n{self.text()}")

    def stop(self, within: float = 35) -> int:
        """SIGTERM, and the exit code."""
        self._ending_is_ours = True
        self.signal(signal.SIGTERM)
        return self.wait(within)

    def wait(self, within: float = 35) -> int:
        """Waits for the process to end; its exit code."""
        self._ending_is_ours = True
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"the relay still runs after {within} s; its log:\n{self.text()[-8000:]}") from None

    def kill(self) -> None:
        """SIGKILL, and waits until the kernel has closed all that it held."""
        self._ending_is_ours = True
        self.process.kill()
        self.process.wait()

    def text(self) -> str:
        """Its log so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def lines(self, message: str = "") -> list[dict[str, Any]]:
        """Log lines as objects; those whose `msg` holds `message`."""
        found = []
        for line in self.text().splitlines():
            try:
                entry = json.loads(line)
            except ValueError:
                continue
            if isinstance(entry, dict) and message in entry.get("msg", ""):
                found.append(entry)
        return found

    def memory(self, field: str = "VmHWM") -> int:
        """Bytes of resident memory: the most so far, or `VmRSS` now."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(f"{field}:"):
                return int(line.split()[1]) * 1024
        raise AssertionError(f"no {field} of process {self.pid}")

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def close(self) -> None:
        """The end of the test: ends the process, prints its log, and says what was wrong with it."""
        try:
            if self.process is not None:
                if self.process.poll() is not None and not self._ending_is_ours:
                    self.faults.append(f"ended by itself with {self.process.returncode}")
                if self.process.poll() is None:
                    self.process.send_signal(signal.SIGCONT)
                    self.process.terminate()
                    # Twice: a relay that waits for a hanging receiver goes at the second.
                    deadline = time.monotonic() + 2
                    while self.process.poll() is None and time.monotonic() < deadline:
                        time.sleep(0.01)
                    if self.process.poll() is None:
                        self.process.terminate()
                    try:
                        self.process.wait(10)
                    except subprocess.TimeoutExpired:
                        self.faults.append("did not go after two SIGTERM")
                        self.process.kill()
                        self.process.wait()
                for line in self.text().splitlines():
                    if not (line[3:] if self.prefixed else line).startswith("{"):
                        self.faults.append(f"a log line that is no JSON: {line[:300]}")
                        break
        finally:
            self.notify.close()
            print(f"--- log of {self.folder.name} (exit {self.process.returncode if self.process else None})")
            print(self.text()[-20000:])

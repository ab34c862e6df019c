"""The relay under test: a command template, its process, its end."""
import contextlib
import os
import select
import shlex
import signal
import subprocess
import time
from pathlib import Path

from .accounting import PeakMemory, cpu_seconds, resident_mb, tree

BINARY = Path(__file__).resolve().parents[3] / ".build/release/tallypost"

GRACE_SECONDS = 5   # between SIGTERM and SIGKILL
END_SECONDS = 35    # from SIGTERM to a peaceful end; the relay itself gives requests in flight 30
START_SECONDS = 30  # until the first delivery


def fill(template, **values):
    """The words of a command, with {name} replaced in each."""
    words = shlex.split(template)
    for name, value in values.items():
        words = [word.replace("{" + name + "}", value) for word in words]
    return words


def run_quietly(command, log):
    """Run it to its end, its output going to the log."""
    with open(log, "ab") as output:
        status = subprocess.run(command, timeout=60, stdin=subprocess.DEVNULL, stdout=output, stderr=output).returncode
    if status != 0:
        raise RuntimeError(f"{' '.join(map(str, command[:2]))} ended with status {status}" + tail(log))


class Commands:
    """How to prepare a database for the relay and how to run it. {db} {url} {type} {config} are filled in."""

    def __init__(self, options, drain=False):
        quoted = shlex.quote(str(options.tallypost))
        self._init_given = options.init is not None
        self.binary = None if options.ours else options.tallypost
        self.init_template = options.init or f"{quoted} init --database {{db}}"
        self.run_template = options.ours
        self._plain = f"{quoted} run --database {{db}} --route {{type}}={{url}}" + (" --drain" if drain else "")
        self._configured = f"{quoted} run --database {{db}} --config {{config}}" + (" --drain" if drain else "")

    @staticmethod
    def add_options(parser, other=None):
        """other: what another relay than ours must do, for commands that can measure any; None for those that cannot."""
        parser.add_argument("--tallypost", metavar="PATH", type=Path, default=BINARY,
                            help="the relay's binary (default: .build/release/tallypost of this project)")
        if other is None:
            parser.set_defaults(ours=None, init=None)
            return
        parser.add_argument("--ours", metavar="COMMAND", help="any other relay, with {db} {url} {type} filled in, and {config} where it "
                            f"takes our configuration file; no shell. It must {other}.")
        parser.add_argument("--init", metavar="COMMAND", help="with --ours: creates pending_tasks in {db}, before the rows are loaded")

    def check(self, parser):
        if self.binary and not os.access(self.binary, os.X_OK):
            parser.error(f"there is no program {self.binary}: swift build -c release --product tallypost, or --tallypost PATH")
        if self.run_template and not self._init_given:
            parser.error("--ours COMMAND needs --init COMMAND")

    def initialise(self, db, log):
        run_quietly(fill(self.init_template, db=db, type="bench"), log)

    def start(self, stage, db, config=None):
        """The running relay. config: our configuration as a dictionary; without `routes`, tasks of type bench go to stage.url."""
        template, file = self.run_template or (self._plain if config is None else self._configured), None
        if config is not None:
            if "{config}" not in template:
                raise RuntimeError("--ours has no {config}, and this measurement needs one")
            file = stage.configuration({"routes": {"bench": {"url": stage.url}}, **config})
        return Process(fill(template, db=db, url=stage.url or "", type="bench", config=str(file)), stage.work / "ours.log")


class Process:
    """A started program and its children; its peak memory is watched from the start."""

    def __init__(self, command, log, environment=None, directory=None):
        with open(log, "ab") as output:
            self.started = time.time()
            self._popen = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                                           env=environment and {**os.environ, **environment}, cwd=directory)
        self.pid = self._popen.pid
        self.exited = self.status = self.cpu = None
        self._asked = False
        self._memory = PeakMemory(self.pid)
        self._memory.start()
        self.peak_mb = 0.0

    def _reap(self):
        _, status, usage = os.wait4(self.pid, 0)
        self.exited = time.time()
        self.status = self._popen.returncode = os.waitstatus_to_exitcode(status)
        self.cpu = usage.ru_utime + usage.ru_stime
        self.peak_mb = self._memory.stop()

    def alive(self):
        """False once it has ended; its status, CPU and peak memory are then known."""
        if self.status is None:
            self.wait(0)
        return self.status is None

    def wait(self, seconds):
        """Whether it ended by itself within that time."""
        if self.status is not None:
            return True
        handle = os.pidfd_open(self.pid)
        try:
            poll = select.poll()
            poll.register(handle, select.POLLIN)
            if not poll.poll(seconds * 1000):
                return False
        finally:
            os.close(handle)
        self._reap()
        return True

    def cpu_seconds(self):
        return self.cpu if self.status is not None else cpu_seconds(self.pid)

    def resident_mb(self):
        """What it holds at this moment, not its peak."""
        return resident_mb(self.pid)

    def ask_to_stop(self):
        """SIGTERM, once: what is in flight may still end, while a second signal would cut it off. `end` must follow."""
        if self.alive() and not self._asked:
            self._asked = True
            os.kill(self.pid, signal.SIGTERM)

    def end(self):
        """What went wrong with ending it in peace: nothing, if it recorded what was in flight and left with 0."""
        self.ask_to_stop()
        if not self.wait(END_SECONDS):
            return [f"the relay did not end within {END_SECONDS} s of SIGTERM"]
        return [f"the relay ended with status {self.status}"] if self.status else []

    def stop(self):
        """SIGTERM, a grace time, then SIGKILL to it and to the children it had. No other process is touched."""
        if not self.alive():
            return
        pids = tree(self.pid)
        self.ask_to_stop()
        if not self.wait(GRACE_SECONDS):
            pids = sorted(set(pids) | set(tree(self.pid)))
            for pid in pids:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            self.wait(GRACE_SECONDS)


@contextlib.contextmanager
def running(commands, stage, db, receiver_log, config=None, warm="warm"):
    """The relay, proven awake by one delivered task (key WARM-1) and quiet again; stopped at the end."""
    from load import load
    process = commands.start(stage, db, config)
    try:
        load(db, 1, warm)
        end = time.monotonic() + START_SECONDS
        while receiver_log.count() < 1:
            if not process.alive():
                raise RuntimeError(f"the relay ended with status {process.status}" + tail(stage.work / "ours.log"))
            if time.monotonic() > end:
                raise RuntimeError(f"the relay delivered nothing within {START_SECONDS} s" + tail(stage.work / "ours.log"))
            time.sleep(0.02)
        time.sleep(1)
        yield process
    finally:
        process.stop()


def tail(log, lines=5):
    """The last lines of a log, for an error message."""
    text = log.read_text(errors="replace").splitlines()[-lines:] if log.exists() else []
    return "".join("\n  | " + line for line in text)

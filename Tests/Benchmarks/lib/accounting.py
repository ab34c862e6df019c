"""CPU and memory of process trees, from /proc."""
import os
import threading

TICK = os.sysconf("SC_CLK_TCK")


def _stat(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()
    except OSError:
        return None


def check():
    """Without the kernel's list of children every sum over a tree would be silently short."""
    if not os.path.exists(f"/proc/self/task/{os.getpid()}/children"):
        raise RuntimeError("this kernel was built without CONFIG_PROC_CHILDREN")


def _children(pid):
    """Children by all threads of pid."""
    found = []
    try:
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children") as file:
                found += map(int, file.read().split())
    except OSError:
        pass
    return found


def tree(root):
    """root and its descendants that live, parents first."""
    pids = [root]
    for pid in pids:
        pids += _children(pid)
    return pids


def cpu_seconds(root):
    """User and system time of the tree, with that of children already reaped. One clock tick (10 ms) fine."""
    ticks = 0
    for pid in tree(root):
        if fields := _stat(pid):
            ticks += sum(map(int, fields[11:15]))
    return ticks / TICK


def _memory_mb(root, field):
    kilobytes = 0
    for pid in tree(root):
        try:
            with open(f"/proc/{pid}/status") as file:
                kilobytes += next((int(line.split()[1]) for line in file if line.startswith(field)), 0)
        except OSError:
            pass
    return kilobytes / 1024


def peak_mb(root):
    """Sum over the tree of each process's own peak resident set."""
    return _memory_mb(root, "VmHWM:")


def resident_mb(root):
    """Sum over the tree of each process's resident set now."""
    return _memory_mb(root, "VmRSS:")


class PeakMemory(threading.Thread):
    """Watches a tree until stopped. Not wait4's ru_maxrss: that starts at the size of the process that forked."""

    def __init__(self, root, every=0.05):
        super().__init__(daemon=True)
        self.root, self.every, self.mb, self._stop_asked = root, every, 0.0, threading.Event()

    def run(self):
        while not self._stop_asked.wait(self.every):
            self.mb = max(self.mb, peak_mb(self.root))

    def stop(self):
        self._stop_asked.set()
        self.join()
        return self.mb

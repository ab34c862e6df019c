"""Numbers to people (a table) and to programs (one JSON document)."""
import json
import os
import platform
import sqlite3
import statistics
import subprocess
import sys
import time

median = statistics.median


def percentile(values, share):
    """Nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-len(ordered) * share // 100) - 1))]


def percentiles(values, digits=3):
    return {**{f"p{share}": round(percentile(values, share), digits) for share in (50, 95, 99)}, "max": round(max(values), digits)}


def cell(value):
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.2f}"
    return str(value)


def table(headings, rows):
    cells = [list(headings)] + [[cell(value) for value in row] for row in rows]
    widths = [max(len(row[i]) for row in cells) for i in range(len(headings))]
    for row in cells:
        print("  ".join(text.ljust(width) if i == 0 else text.rjust(width) for i, (text, width) in enumerate(zip(row, widths))).rstrip())
    print()


def _first_line(file, beginning):
    try:
        with open(file) as lines:
            return next((line for line in lines if line.startswith(beginning)), "").partition(":" if ":" in beginning else "=")[2].strip().strip('"')
    except OSError:
        return ""


def _version(*command):
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10).stdout.strip()
    except OSError:
        return ""


def machine():
    """What the numbers depend on."""
    return {
        "date": time.strftime("%Y-%m-%d"), "cpu": _first_line("/proc/cpuinfo", "model name\t:"), "cpus": os.cpu_count(),
        "memory_gb": round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30), "kernel": platform.release(),
        "system": _first_line("/etc/os-release", "PRETTY_NAME="), "postgres": _version("pg_config", "--version"),
        "sqlite": sqlite3.sqlite_version, "load": round(os.getloadavg()[0], 2),
    }


def finish(document, options, problems):
    """Print the JSON as the last line, and the problems; the exit status."""
    document = {**document, "machine": machine(), "problems": problems}
    if options.json:
        with open(options.json, "w") as file:
            json.dump(document, file, indent=1)
    for problem in problems:
        print("PROBLEM:", problem, file=sys.stderr)
    try:
        print(json.dumps(document), flush=True)
    except BrokenPipeError:  # the reader had seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 1 if problems else 0

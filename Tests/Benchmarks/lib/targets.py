"""What must be reached, beside what was measured: the rows of the table that ./render writes."""


class Missing(Exception):
    """A measurement is not in the result, or broke off before this number."""


def _get(measurements, name, *path):
    value = measurements.get(name)
    for step in path:
        value = value.get(step) if isinstance(value, dict) else None
    if value is None:
        raise Missing(name)
    return value


def _number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _ratio(name, field, least=None, most=None):
    """A row's judgement of one ratio."""
    def judge(m):
        value = _get(m, name, field)
        return _number(value), value >= least if least is not None else value <= most
    return judge


def _drain(m):
    value = _get(m, "drain-postgres", "ratio")
    ours, limit = (_get(m, "drain-postgres", "median", each, "tasks_per_s") for each in ("ours", "limit"))
    return f"{value:.3f} ({_number(ours)} of {_number(limit)} tasks/s)", value >= 0.85


def _peers(m):
    value, name = _get(m, "peers", "ratio"), _get(m, "peers", "fastest_peer")
    ours, theirs = (_get(m, "peers", "median", each, "tasks_per_s") for each in ("ours", name))
    return f"{value:.2f} ({_number(ours)} against {_number(theirs)} of {name})", value >= 4.5


def _sqlite(m):
    # The limit ran beside both, so it takes the machine's mood out.
    value = _get(m, "drain-sqlite", "ratio") / _get(m, "drain-postgres", "ratio")
    return f"{value:.2f} times ({_number(_get(m, 'drain-sqlite', 'median', 'ours', 'tasks_per_s'))} tasks/s)", value >= 1


def _cpu(m):
    values = [_get(m, f"drain-{engine}", "median", "ours", "relay_us") for engine in ("postgres", "sqlite")]
    return f"{values[0]:.1f} µs PostgreSQL, {values[1]:.1f} µs SQLite", max(values) <= 20


def _memory(m):
    values = [(_get(m, name, "mb"), max(point.get("kb_each", 0) for point in _get(m, name, "points")), _get(m, name, "flowing_peak_mb"))
              for name in ("memory-postgres", "memory-sqlite")]
    text = "; ".join(f"{engine} {mb:.1f} MB (peak while delivering {flowing:.1f}), {kb:.1f} KB"
                     for engine, (mb, kb, flowing) in zip(("PostgreSQL", "SQLite"), values))
    return text, all(max(mb, flowing) <= 40 and kb <= 20 for mb, kb, flowing in values)


def _latency(m):
    values = [_get(m, f"latency-{engine}", "ms") for engine in ("postgres", "sqlite")]
    text = "; ".join(f"{engine} p50 {each['p50']:.2f} ms, p99 {each['p99']:.2f} ms" for engine, each in zip(("PostgreSQL", "SQLite"), values))
    return text, all(each["p50"] <= 1 and each["p99"] <= 5 for each in values)


def _polling(m):
    names = ("latency-postgres-poll", "latency-sqlite-poll")
    values = [(_get(m, name, "ms", "p99"), _get(m, name, "interval_ms")) for name in names]
    text = "; ".join(f"{engine} p99 {p99:.0f} ms at {interval:.0f} ms" for engine, (p99, interval) in zip(("PostgreSQL", "SQLite"), values))
    return text, all(p99 <= 1.5 * interval for p99, interval in values)


def _overlapping(m):
    each = _get(m, "latency-overlapping", "ms")
    return f"p50 {each['p50']:.2f} ms, p99 {each['p99']:.2f} ms", None


def _burst(m):
    values = [_get(m, f"burst-{engine}", "tasks_per_s") for engine in ("postgres", "sqlite")]
    return f"{_number(values[0])} tasks/s PostgreSQL, {_number(values[1])} SQLite", None


def _both(measure, field, least=None, most=None):
    def judge(m):
        values = [_get(m, f"{measure}-{engine}", field) for engine in ("postgres", "sqlite")]
        met = all(value >= least if least is not None else value <= most for value in values)
        return f"{values[0]:.3f} PostgreSQL, {values[1]:.3f} SQLite", met
    return judge


def _app_busy(m):
    value = _get(m, "app-cost-postgres", "summary", "16 clients", "busy", "ratio", "tps")
    return f"{value:.3f}", value >= 0.95


def _app_idle(m):
    values = [_get(m, "app-cost-postgres", "summary", clients, "idle", "ratio", "tps") for clients in ("1 client", "16 clients")]
    return f"{values[0]:.3f} with 1, {values[1]:.3f} with 16", min(values) >= 0.95


def _app_sqlite(m):
    summary = _get(m, "app-cost-sqlite", "summary")
    busy = next(iter(summary.values()))["busy"]
    return f"p99 {busy['p99']:.2f} ms, {busy['failed']} failed", busy["p99"] <= 5 and busy["failed"] == 0


def _scale(m):
    runs = _get(m, "scale", "runs")
    text = "; ".join(f"{run['relays']}: {run['in_flight']:.0f} in flight" for run in runs)
    doubles = sum(run["doubles"] for run in runs)
    return f"{text}; {doubles} doubles", _get(m, "scale", "worst_of_ideal") >= 0.9 and doubles == 0


ROWS = (
    ("drain of 40,000 tasks, PostgreSQL, against `limit`", "at least 0.85", _drain),
    ("the same against the fastest peer", "at least 4.5 times", _peers),
    ("drain, SQLite, against our PostgreSQL drain", "at least as fast", _sqlite),
    ("relay CPU a task, both engines", "at most 20 µs", _cpu),
    ("memory with 1,000,000 rows waiting and 64 in flight; for each further one, up to 5,000", "at most 40 MB; 20 KB", _memory),
    ("latency, commit to arrival, 200 inserts/s", "p50 at most 1 ms, p99 5 ms", _latency),
    ("latency by polling alone", "p99 at most 1.5 intervals", _polling),
    ("latency, 8 clients with transactions open for 30 ms, PostgreSQL", "", _overlapping),
    ("burst of 50,000 rows in one transaction after 10 quiet seconds", "", _burst),
    ("1,000,000 rows churned under a pinned snapshot: last chunk against first", "at least 0.85", _ratio("aged", "ratio_of_medians", least=0.85)),
    ("2,000 requests parked at a dead-slow destination: the others' speed", "at least 0.85", _both("parked", "ratio", least=0.85)),
    ("10,000,000 rows waiting against 10,000: time per claimed row", "at most 1.2", _both("backlog", "ratio", most=1.2)),
    ("the application's inserts, PostgreSQL, 16 clients, relay draining, against `wakeup: \"poll\"`", "at least 0.95", _app_busy),
    ("the application's inserts of rows due tomorrow, relay idle, against no relay and no trigger", "at least 0.95", _app_idle),
    ("the application's commits, SQLite, 500/s, relay draining", "p99 at most 5 ms, none fails", _app_sqlite),
    ("relays 1, 2, 4 on one PostgreSQL, receiver takes 50 ms", "within 10 % of 1 : 2 : 4, 0 doubles", _scale),
    ("retention purging 1,000,000 rows: throughput against none to purge", "at least 0.95", _both("retention", "ratio", least=0.95)),
)


class _Asked(dict):
    """The measurements, and which of them a row looked at."""

    def __init__(self, measurements):
        super().__init__(measurements)
        self.names = set()

    def get(self, name, default=None):
        self.names.add(name)
        return super().get(name, default)


def rows(measurements):
    """(what, target, measured, verdict); a number whose run failed its own check has met nothing."""
    found = []
    for what, target, judge in ROWS:
        asked = _Asked(measurements)
        try:
            measured, met = judge(asked)
        except Missing as missing:
            found.append((what, target, f"`{missing}` not measured", ""))
            continue
        broken = [name for name in sorted(asked.names) if asked[name]["problems"]]
        verdict = "check failed" if broken else "" if met is None else "met" if met else "**missed**"
        found.append((what, target, measured, verdict))
    return found

"""The chart: plain horizontal bars in an SVG written by hand, readable on light and on dark ground."""
from html import escape

WIDTH, LABEL, VALUE, ROW, BAR, HEAD = 760, 190, 110, 24, 16, 44
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #24292f }
  .title { font-weight: 600; font-size: 15px }
  .note { fill: #57606a; font-size: 12px }
  .ours { fill: #0969da } .other { fill: #8c959f } .limit { fill: #bf8700 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .note { fill: #9198a1 }
    .ours { fill: #4493f8 } .other { fill: #6e7681 } .limit { fill: #d29922 }
  }
"""


def _kind(name):
    return "ours" if name.startswith("ours") else "limit" if name.startswith("limit") else "other"


def _panel(top, title, note, bars, unit):
    """One group of bars, (name, value), the longest filling the width; its SVG and its height."""
    longest = max(value for _, value in bars)
    parts = [f'<text class="title" x="0" y="{top + 16}">{escape(title)}</text>', f'<text class="note" x="0" y="{top + 34}">{escape(note)}</text>']
    for number, (name, value) in enumerate(bars):
        y = top + HEAD + number * ROW
        length = max(1.0, value / longest * (WIDTH - LABEL - VALUE))
        text = f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
        parts += [f'<text x="{LABEL - 8}" y="{y + 13}" text-anchor="end">{escape(name)}</text>',
                  f'<rect class="{_kind(name)}" x="{LABEL}" y="{y}" width="{length:.1f}" height="{BAR}" rx="2"/>',
                  f'<text x="{LABEL + length + 6:.1f}" y="{y + 13}">{text} {escape(unit)}</text>']
    return "\n".join(parts), HEAD + len(bars) * ROW + 22


def _panels(measurements):
    """(title, note, bars, unit) of what was measured."""
    drain = {name: measurements.get(f"drain-{name}", {}).get("median", {}) for name in ("postgres", "sqlite")}
    beside = [("limit (C)", drain["postgres"].get("limit")), ("ours", drain["postgres"].get("ours")), ("ours, SQLite", drain["sqlite"].get("ours"))]
    beside = [(name, values) for name, values in beside if values]
    if beside:
        yield ("Drain beside a C relay that does the least", "tasks a second, durable, real HTTP; longer is better",
               [(name, values["tasks_per_s"]) for name, values in beside], "tasks/s")
        yield ("Relay CPU", "for each task; shorter is better", [(name, values["relay_us"]) for name, values in beside], "µs")
    peers = {name: values["tasks_per_s"] for name, values in measurements.get("peers", {}).get("median", {}).items() if "tasks_per_s" in values}
    if peers:
        yield ("Drain beside peers", "tasks a second, each with its own store, same run; longer is better",
               sorted(peers.items(), key=lambda pair: -pair[1]), "tasks/s")
    waits = []
    for name in ("postgres", "sqlite"):
        if ms := measurements.get(f"latency-{name}", {}).get("ms"):
            waits += [(f"ours, {'SQLite' if name == 'sqlite' else 'PostgreSQL'} {share}", ms[share]) for share in ("p50", "p99")]
    if waits:
        yield "Latency", "from COMMIT to arrival, 200 inserts a second; shorter is better", waits, "ms"


def draw(result):
    """The whole SVG."""
    machine, top, parts = result["machine"], 6, []
    for title, note, bars, unit in _panels(result["measurements"]):
        text, height = _panel(top, title, note, bars, unit)
        parts.append(text)
        top += height
    trial = "small sizes, a trial run · " if result.get("quick") else ""
    feet = (f"{trial}{machine['date']} · commit {result['commit'] or 'unknown'}",
            f"{machine['cpus']} × {machine['cpu']} · {machine['system']} · {machine['postgres'].partition(' (')[0]} · SQLite {machine['sqlite']}")
    for foot in feet:
        top += 16
        parts.append(f'<text class="note" x="0" y="{top}">{escape(foot)}</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + 10}" width="{WIDTH}" height="{top + 10}" role="img">\n'
            f"<style>{STYLE}</style>\n" + "\n".join(parts) + "\n</svg>\n")

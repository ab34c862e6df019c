"""A configuration with a mistake is refused: with the path, the line and the nearest known name, and nothing is started."""

from pathlib import Path

import pytest

# Line 1 is the brace; `@` stands for the mistake, on line 4 of the file or below.
FRAME = """{
  // a comment, and bare keys
  database: "sqlite:/nowhere/shop.db",
  %s
}
"""
ROUTE = """routes: {
    "send-receipt": {
      url: "http://127.0.0.1:9/",
      %s
    },
  },"""

# The text, the line of the mistake, its path, and words that the message must hold.
TOP = {
    "wrong key": ('rutes: {},', 4, "rutes", ["routes"]),
    "wrong key in a route": (ROUTE % 'timeoutSecond: 30,', 7, "routes.send-receipt.timeoutSecond", ["timeoutSeconds"]),
    "wrong key in retry": (ROUTE % 'retry: { shedule: "exponential" },', 7, "routes.send-receipt.retry.shedule", ["schedule"]),
    "wrong type": (ROUTE % 'maxAttempts: "8",', 7, "routes.send-receipt.maxAttempts", ["whole number"]),
    "wrong type of a section": ('routes: [],', 4, "routes", ["object"]),
    "not an URL": ('routes: { "a": { url: "nowhere" } },', 4, "routes.a.url", ["http"]),
    "URL with a user": ('routes: { "a": { url: "http://u:p@127.0.0.1/" } },', 4, "routes.a.url", ["user"]),
    "another scheme": ('routes: { "a": { url: "file:///etc/passwd" } },', 4, "routes.a.url", ["http"]),
    "no URL": ('routes: { "a": {} },', 4, "routes.a", ["url"]),
    "missing variable": (ROUTE % 'secrets: ["env:NO_SUCH_VARIABLE"],', 7, "routes.send-receipt.secrets", ["NO_SUCH_VARIABLE"]),
    "missing file": (ROUTE % 'secrets: ["file:/no/such/file"],', 7, "routes.send-receipt.secrets", ["/no/such/file"]),
    "missing credential": (ROUTE % 'secrets: ["credential:none"],', 7, "routes.send-receipt.secrets", ["credential", "LoadCredential"]),
    "a secret in the file": (ROUTE % 'secrets: ["whsec_c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0"],', 7, "routes.send-receipt.secrets", ["env:NAME"]),
    "a duration without a unit": (ROUTE % 'deadline: "5",', 7, "routes.send-receipt.deadline", ["5s"]),
    "a duration as a number": (ROUTE % 'lease: 60,', 7, "routes.send-receipt.lease", []),
    "a lease that is too short": (ROUTE % 'lease: "10s",', 7, "routes.send-receipt.lease", ["timeoutSeconds"]),
    "an unknown word": (ROUTE % 'format: "cloudevent-binary",', 7, "routes.send-receipt.format", ["cloudevents-binary"]),
    "a number out of range": (ROUTE % 'concurrency: 0,', 7, "routes.send-receipt.concurrency", ["1"]),
    "a reserved header": (ROUTE % 'headers: { "Idempotency-Key": "x" },', 7, "routes.send-receipt.headers", ["reserved"]),
    "a header of two lines": (ROUTE % 'headers: { "X": "a\\r\\nY: b" },', 7, "routes.send-receipt.headers", ["line break"]),
    "an allow entry that is neither": ('allow: ["10.0.0.0/8", "intranet"],', 4, "allow", ["network"]),
    "a duplicate key": (ROUTE % 'url: "http://127.0.0.1:10/",', 7, "routes.send-receipt.url", ["twice"]),
    "a bad wakeup": ('wakeup: "polls",', 4, "wakeup", ["poll"]),
    "syntax": ('routes: { "a" { url: "http://127.0.0.1/" } },', 4, "", ["JSON5"]),
}


@pytest.mark.parametrize("name", TOP)
def test_a_mistake_is_named_with_its_place(name: str, tallypost, tmp_path: Path) -> None:
    text, line, path, words = TOP[name]
    file = tmp_path / "tallypost.json5"
    file.write_text(FRAME % text)
    done = tallypost("run", "--config", file).exited(78)
    (told,) = [found for found in done.err.splitlines() if f"{file}:{line}: {path}" in found] or [None]
    assert told, f"nothing of {file}:{line}: {path} in:\n{done.err}"
    for word in words:
        assert word in told, (word, told)
    assert "c2VjcmV0" not in done.err, "a secret is not repeated"


def test_a_bad_database_url_says_what_is_one(tallypost, tmp_path: Path) -> None:
    for url in ("mysql://localhost/shop", "shop.db", "sqlite:", ""):
        file = tmp_path / "tallypost.json5"
        file.write_text('{\n  database: "%s",\n  routes: { "a": { url: "http://127.0.0.1:9/" } },\n}' % url)
        done = tallypost("run", "--config", file).exited(78)
        assert f"{file}:2: database" in done.err and "sqlite:" in done.err, done.err


def test_all_mistakes_are_told_at_once(tallypost, tmp_path: Path) -> None:
    file = tmp_path / "tallypost.json5"
    file.write_text(FRAME % (ROUTE % 'maxAttempts: "8",\n      timeoutSeconds: 0,\n      shla: "5m",') + "")
    done = tallypost("run", "--config", file).exited(78)
    for line, path in ((7, "maxAttempts"), (8, "timeoutSeconds"), (9, "shla")):
        assert f"{file}:{line}: routes.send-receipt.{path}" in done.err, done.err


def test_a_file_that_is_not_there_and_a_relay_without_routes(tallypost, tmp_path: Path) -> None:
    missing = tmp_path / "missing.json5"
    assert str(missing) in tallypost("run", "--config", missing).exited(78).err
    bare = tmp_path / "bare.json5"
    bare.write_text('{ database: "sqlite:/nowhere/shop.db" }')
    assert "routes" in tallypost("run", "--config", bare).exited(78).err
    bare.write_text('{ routes: { "a": { url: "http://127.0.0.1:9/" } } }')
    assert "database" in tallypost("run", "--config", bare).exited(78).err


def test_the_whole_vocabulary_of_the_contract_is_understood(sqlite, receiver, relay, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=")
    text = """
    // JSON5: comments, bare keys, single quotes, trailing commas, numbers in other bases
    {
      database: 'sqlite:%s',
      listen: { admin: "127.0.0.1:7411", public: "0.0.0.0:7412" },
      adminToken: "file:%s",
      signalBaseURL: "https://tasks.example.com",
      allow: ["http://10.0.0.5:8080", "10.0.0.0/8", "fd00::/8"],
      wakeup: "auto",
      routes: {
        "send-receipt": {
          url: "%s", secrets: ["file:%s"], headers: { "X-Own": "1" }, body: "envelope", format: "cloudevents-structured",
          idempotencyKeyFormat: "bare", timeoutSeconds: 0x1E, maxAttempts: 8,
          retry: { schedule: "exponential", base: "1s", cap: "1h", alsoOn: [404] },
          deadline: "24h", sla: "5m", lease: "90s", concurrency: 50, rate: "100/s", heartbeatSeconds: 60, maxWaitSeconds: 3600,
          whenFailed: "block",
        },
        other: {
          url: "%s", retry: { schedule: ["5s", "5m"] }, batch: { max: 100, wait: "5s" },
          subscribers: { "inventory": { url: "http://127.0.0.1:9/inventory", timeoutSeconds: 5 } },
        },
        third: { url: "%s", retry: { schedule: "standard-webhooks" } },
      },
      schedules: { nightly: { cron: "0 2 * * *", zone: "Europe/London", type: "other", payload: { a: 1 }, catchUp: "latest" } },
      reconcile: { every: "5m", staleAfter: "1h", rules: "rules/", reports: "/var/lib/tallypost/reports" },
      alerts: [{ url: "https://hooks.example.com/ops", depthOver: 10000, failureRateOver: 0.05 }],
      retention: { completed: "30d", final: "90d" },
    }""" % (sqlite.path, tmp_path / "secret", receiver.url(), tmp_path / "secret", receiver.url(), receiver.url())
    assert relay(config=text).start().stop() == 0

"""URLs that come from rows reach public addresses and what the configuration allows, and nothing else."""

import pytest
from harness.database import Database
from harness.receiver import Answer, Receiver
from harness.routes import route
from harness.tripwire import Tripwire
from harness.waiting import eventually

# Every way to write an address of this machine, or of a metadata service. {port}: where the tripwire listens.
FORBIDDEN = {
    "decimal": "http://2130706433:{port}/",
    "hexadecimal": "http://0x7f.1:{port}/",
    "octal": "http://0177.0.0.1:{port}/",
    "short": "http://127.1:{port}/",
    "plain": "http://127.0.0.1:{port}/",
    "elsewhere in 127/8": "http://127.99.88.77:{port}/",
    "zero": "http://0:{port}/",
    "zeros": "http://0.0.0.0:{port}/",
    "v6": "http://[::1]:{port}/",
    "v6 unspecified": "http://[::]:{port}/",
    "v6 mapped": "http://[::ffff:127.0.0.1]:{port}/",
    "v6 mapped, hexadecimal": "http://[::ffff:7f00:1]:{port}/",
    "name": "http://localhost:{port}/",
    "name in capitals": "HTTP://LOCALHOST:{port}/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "metadata, decimal": "http://2852039166/",
    "metadata, v6 mapped": "http://[::ffff:169.254.169.254]/",
    "metadata, NAT64": "http://[64:ff9b::a9fe:a9fe]/",
    "private": "http://10.0.0.1:{port}/",
    "carrier": "http://100.64.0.1:{port}/",
    "unique local": "http://[fd00::1]:{port}/",
    "link local": "http://[fe80::1]:{port}/",
}
UNREADABLE = {
    "file": "file:///etc/passwd",
    "gopher": "gopher://127.0.0.1:{port}/_x",
    "ftp": "ftp://127.0.0.1:{port}/",
    "no slashes": "http:127.0.0.1:{port}",
    "one slash": "http:/127.0.0.1:{port}/",
    "user": "http://user@127.0.0.1:{port}/",
    "user and password": "http://example.com:80@127.0.0.1:{port}/",
    "line break": "http://127.0.0.1:{port}/\r\nX: y",
    "line feed in the host": "http://127.0.0.1\n:{port}/",
    "tab": "http://127.0.0.1:{port}/\tx",
    "space": "http://127.0.0.1:{port}/ HTTP/1.1",
    "backslash": "http:\\\\127.0.0.1:{port}/",
    "port too high": "http://127.0.0.1:99999/",
    "no host": "http://:{port}/",
}


def test_no_row_reaches_this_machine_or_metadata(
    database: Database, receiver: Receiver, tripwire: Tripwire, relay
) -> None:
    ids = {
        name: database.insert(type="task", idempotency_key=name, target_url=url.format(port=tripwire.port))
        for name, url in (FORBIDDEN | UNREADABLE).items()}
    good = database.insert_many(10, "good")
    running = relay(database, routes={"task": route(receiver.url())}).start()
    for name, id in ids.items():
        row = eventually(lambda: (row := database.row(id))["status"] == "failed" and row, what=lambda: (name, database.row(id)))
        assert row["attempts"] == 1, name
        assert row["response_status"] is None, name
        reason = row["last_error"]
        if name in FORBIDDEN:
            assert "allow" in reason or "metadata" in reason, (name, reason)
        else:
            assert "target_url" in reason, (name, reason)
        assert "metadata" in reason or not name.startswith("metadata"), (name, reason)
    eventually(lambda: set(good) <= set(receiver.counts()))
    assert running.stop() == 0
    assert (tripwire.connections, tripwire.bytes) == (0, 0)
    assert receiver.counts() == dict.fromkeys(good, 1)


def test_a_redirect_is_an_answer_and_leads_nowhere(database: Database, receiver: Receiver, tripwire: Tripwire, relay) -> None:
    places = ["http://169.254.169.254/latest/meta-data/", f"http://127.0.0.1:{tripwire.port}/", "file:///etc/passwd"]
    for number, place in enumerate(places):
        receiver.on(f"/{number}", Answer(302, headers={"Location": place}))
    relay(database, routes={"task": route(receiver.url())}, allow=[receiver.origin]).start()
    for number in range(len(places)):
        id = database.insert(type="task", target_url=receiver.url(f"/{number}"))
        row = eventually(lambda: (row := database.row(id))["status"] == "failed" and row)
        assert row["response_status"] == 302 and "redirect" in row["last_error"]
    assert tripwire.connections == 0


def test_allow_names_an_origin_and_only_that(database: Database, receiver: Receiver, tripwire: Tripwire, relay) -> None:
    relay(database, routes={"task": route(receiver.url())}, allow=[receiver.origin]).start()
    allowed = database.insert(type="task", target_url=receiver.url("/allowed"))
    # The same address: written another way it is another origin, as it is on another port.
    other = [
        database.insert(type="task", target_url=f"http://127.0.0.1:{tripwire.port}/"),
        database.insert(type="task", target_url=f"http://localhost:{receiver.port}/other"),
    ]
    eventually(lambda: database.status(allowed) == "completed", what=lambda: database.row(allowed))
    for id in other:
        eventually(lambda: database.status(id) == "failed", what=lambda: database.row(id))
    assert [request.path for request in receiver.got()] == ["/allowed"]
    assert tripwire.connections == 0


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1", "2130706433", "localhost", "[::ffff:127.0.0.1]"])
def test_allow_names_a_network_however_the_address_is_written(host: str, sqlite, receiver: Receiver, relay) -> None:
    relay(sqlite, routes={"task": route(receiver.url())}, allow=["127.0.0.0/8"]).start()
    id = sqlite.insert(type="task", target_url=f"http://{host}:{receiver.port}/network")
    eventually(lambda: sqlite.status(id) == "completed", what=lambda: sqlite.row(id))
    assert receiver.one("/network")


def test_metadata_is_refused_even_where_the_configuration_allows_it(sqlite, receiver: Receiver, relay) -> None:
    relay(
        sqlite, routes={"task": route(receiver.url()), "fixed": route("http://169.254.169.254/")},
        allow=["169.254.0.0/16", "http://169.254.169.254"]).start()
    for columns in ({"type": "task", "target_url": "http://169.254.169.254/"}, {"type": "fixed"}):
        id = sqlite.insert(**columns)
        row = eventually(lambda: (row := sqlite.row(id))["status"] == "failed" and row, what=lambda: sqlite.row(id))
        assert "metadata" in row["last_error"]


def test_the_routes_secret_headers_do_not_go_to_an_address_from_a_row(sqlite, receiver: Receiver, relay) -> None:
    options = {"headers": {"Authorization": "Bearer of-the-route", "X-Open": "yes"}}
    relay(sqlite, routes={"task": route("http://127.0.0.1:9/own", **options)}, allow=[receiver.origin]).start()
    sqlite.insert(type="task", target_url=receiver.url("/row"))
    request = eventually(lambda: receiver.got("/row"))[0]
    assert request.all("Authorization") == []
    assert request.header("X-Open") == "yes"


def test_proxies_of_the_environment_are_not_used(sqlite, receiver: Receiver, tripwire: Tripwire, relay) -> None:
    proxy = f"http://127.0.0.1:{tripwire.port}"
    environment = {name: proxy for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY")}
    relay(sqlite, routes={"task": route(receiver.url())}, environment=environment).start()
    id = sqlite.insert(type="task")
    eventually(lambda: sqlite.status(id) == "completed")
    assert tripwire.connections == 0

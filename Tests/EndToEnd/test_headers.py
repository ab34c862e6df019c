"""What a receiver sees: headers, signatures, formats."""

import base64
import json
import os
import re
from datetime import datetime, timezone

import pytest
from harness.database import Database
from harness.receiver import Answer, Receiver, Request
from harness.routes import route
from harness.waiting import eventually
from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError


def a_secret() -> str:
    return "whsec_" + base64.b64encode(os.urandom(32)).decode()


def webhook_headers(request: Request) -> dict[str, str]:
    return {name: request.header(name) for name in ("webhook-id", "webhook-timestamp", "webhook-signature")}


def is_accepted(secret: str, body: bytes, headers: dict[str, str]) -> bool:
    """What the package from PyPI says, which the receivers of the world use."""
    try:
        Webhook(secret).verify(body.decode(), headers)
        return True
    except WebhookVerificationError:
        return False


def deliver(database: Database, receiver: Receiver, relay, options: dict, environment: dict | None = None, **columns) -> Request:
    """Sends one task through a route with these options."""
    relay(database, routes={"send-receipt": route(receiver.url(), **options)}, environment=environment).start()
    id = database.insert(**{"type": "send-receipt", **columns})
    eventually(lambda: database.status(id) == "completed", what=lambda: database.row(id))
    return receiver.got()[-1]


def test_the_headers_of_the_contract(database: Database, receiver: Receiver, relay, tallypost) -> None:
    deadline = database.later(3600)
    request = deliver(
        database, receiver, relay, {"headers": {"X-Route": "r"}}, idempotency_key='say "hi" \\o/', deadline_at=deadline,
        headers='{"X-Row": "a b"}')
    assert request.header("Content-Type") == "application/json"
    assert request.header("Idempotency-Key") == '"say \\"hi\\" \\\\o/"', "a structured-field string"
    assert request.header("Tallypost-Task-Id") == str(database.rows()[0]["id"])
    assert request.header("Tallypost-Task-Type") == "send-receipt"
    assert request.header("Tallypost-Task-Attempt") == "1"
    said = datetime.fromisoformat(request.header("Tallypost-Task-Deadline").replace("Z", "+00:00"))
    wanted = deadline if isinstance(deadline, datetime) else datetime.fromisoformat(deadline.replace("Z", "+00:00"))
    assert abs((said - wanted).total_seconds()) < 0.002
    assert re.fullmatch(r"tallypost/\d+\.\d+\.\d+\S*", request.header("User-Agent"))
    assert (request.header("X-Route"), request.header("X-Row")) == ("r", "a b")
    assert request.header("webhook-id") == f"task_{request.task}"
    assert abs(int(request.header("webhook-timestamp")) - datetime.now(timezone.utc).timestamp()) < 60
    assert request.all("webhook-signature") == [], "a route without secrets sends unsigned"
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", request.header("traceparent"))
    assert request.all("Accept-Encoding") == request.all("Expect") == request.all("Transfer-Encoding") == []


def test_the_bare_key_has_no_quotes(database: Database, receiver: Receiver, relay) -> None:
    request = deliver(database, receiver, relay, {"idempotencyKeyFormat": "bare"}, idempotency_key="payment-o_1")
    assert request.header("Idempotency-Key") == "payment-o_1"


@pytest.mark.parametrize("named", ["env", "file", "credential"])
def test_the_signature_is_accepted_by_standardwebhooks_and_refused_after_one_changed_byte(
    named: str, database: Database, receiver: Receiver, relay, tmp_path
) -> None:
    secret = a_secret()
    (tmp_path / "signing").write_text(secret + "\n")
    name = {"env": "env:SIGNING", "file": f"file:{tmp_path / 'signing'}", "credential": "credential:signing"}[named]
    environment = {"SIGNING": secret, "CREDENTIALS_DIRECTORY": str(tmp_path)}
    payload = '{"order": "o_1", "name": "Zoë ☕"}'
    request = deliver(database, receiver, relay, {"secrets": [name]}, environment, payload=payload)
    headers = webhook_headers(request)

    assert is_accepted(secret, request.body, headers)
    assert not is_accepted(a_secret(), request.body, headers), "another secret"
    for place in range(len(request.body)):
        if request.body[place] < 0x80:
            changed = bytearray(request.body)
            changed[place] ^= 1
            assert not is_accepted(secret, bytes(changed), headers), f"body, byte {place}"
    assert not is_accepted(secret, request.body, headers | {"webhook-id": headers["webhook-id"] + "0"})
    assert not is_accepted(secret, request.body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)})


def test_every_secret_signs_and_the_id_stays_over_attempts(database: Database, receiver: Receiver, relay) -> None:
    new, old = a_secret(), a_secret()
    receiver.on("/tasks", [Answer(503), Answer()])
    deliver(database, receiver, relay, {"secrets": ["env:NEW", "env:OLD"]}, {"NEW": new, "OLD": old})
    first, second = receiver.got()
    for request in (first, second):
        headers = webhook_headers(request)
        signatures = headers["webhook-signature"].split(" ")
        assert len(signatures) == 2
        for secret, own in ((new, signatures[0]), (old, signatures[1])):
            assert is_accepted(secret, request.body, headers)
            assert is_accepted(secret, request.body, headers | {"webhook-signature": own}), "newest first"
    assert first.header("webhook-id") == second.header("webhook-id")
    assert first.key == second.key
    assert (first.attempt, second.attempt) == (1, 2)


def test_a_trace_goes_on_with_a_new_span_for_every_attempt(database: Database, receiver: Receiver, relay) -> None:
    receiver.on("/tasks", [Answer(503), Answer(503), Answer()])
    trace, parent = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    deliver(database, receiver, relay, {}, traceparent=f"00-{trace}-{parent}-01")
    parts = [request.header("traceparent").split("-") for request in receiver.got()]
    assert [part[:2] + part[3:] for part in parts] == [["00", trace, "01"]] * 3
    assert len({part[2] for part in parts} | {parent}) == 4, "three spans, and none of them the parent's"


@pytest.mark.parametrize("broken", ["00-" + "0" * 32 + "-00f067aa0ba902b7-01", "garbage\r\nX: y", "ff-" + "1" * 32 + "-" + "2" * 16 + "-01"])
def test_a_broken_trace_starts_anew(broken: str, sqlite, receiver: Receiver, relay) -> None:
    request = deliver(sqlite, receiver, relay, {}, traceparent=broken)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", request.header("traceparent"))
    assert request.all("X") == []


def test_the_envelope_wraps_the_payload_as_written(database: Database, receiver: Receiver, relay) -> None:
    payload = '{"n": 1.10,  "s":"\\u00e9"}'
    request = deliver(database, receiver, relay, {"body": "envelope"}, payload=payload, subject="o_1")
    assert payload.encode() in request.body
    assert json.loads(request.body) == {
        "task": {"id": request.task, "type": "send-receipt", "subject": "o_1", "attempt": 1}, "payload": {"n": 1.1, "s": "é"}}


def test_the_envelope_leaves_out_what_is_absent(sqlite, receiver: Receiver, relay) -> None:
    request = deliver(sqlite, receiver, relay, {"body": "envelope"}, payload="[1]")
    assert json.loads(request.body) == {"task": {"id": request.task, "type": "send-receipt", "attempt": 1}, "payload": [1]}


def test_cloudevents_in_headers(database: Database, receiver: Receiver, relay) -> None:
    request = deliver(
        database, receiver, relay, {"format": "cloudevents-binary"}, payload='{"a":1}', subject='Zoë "1" 5%', idempotency_key="k-1")
    assert request.body == b'{"a":1}'
    assert request.header("Content-Type") == "application/json"
    assert request.header("ce-specversion") == "1.0"
    assert request.header("ce-type") == "send-receipt"
    assert request.header("ce-id") and request.header("ce-source")
    assert request.header("ce-subject") == "Zo%C3%AB%20%221%22%205%25"
    assert datetime.fromisoformat(request.header("ce-time").replace("Z", "+00:00")).tzinfo is not None
    assert request.all("ce-datacontenttype") == []


def test_cloudevents_in_the_body_signed_as_a_whole(database: Database, receiver: Receiver, relay) -> None:
    secret = a_secret()
    request = deliver(
        database, receiver, relay, {"format": "cloudevents-structured", "secrets": ["env:S"]}, {"S": secret}, payload='{"a":1.10}',
        subject="Zoë")
    assert request.header("Content-Type") == "application/cloudevents+json"
    event = json.loads(request.body)
    assert {name: event[name] for name in ("specversion", "type", "subject", "data")} == {
        "specversion": "1.0", "type": "send-receipt", "subject": "Zoë", "data": {"a": 1.1}}
    assert event["id"] and event["source"]
    assert b'{"a":1.10}' in request.body, "the data as it was written"
    assert is_accepted(secret, request.body, webhook_headers(request))


def test_a_large_payload_arrives_whole(database: Database, receiver: Receiver, relay) -> None:
    payload = json.dumps({"text": "é" * 500_000}, ensure_ascii=False)
    request = deliver(database, receiver, relay, {}, payload=payload)
    assert request.body == payload.encode()

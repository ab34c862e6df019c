#!/usr/bin/env node
// A receiver of Tallypost's callbacks, with nothing but Node.js (18 or newer) and no package.
//
// It shows what a receiver owes: verify the signature, parse the idempotency key, have the effect and keep the key in one
// transaction, answer 2xx only when that is durable, and answer a known key as the first time without doing anything.
//
// Its database is a journal: one line holds the key, the effect and the answer, so that all of them are there or none is. Lines that
// come together are written and synced together. Where your effect is in a database, keep the keys there, in its transaction, as
// receiver.py does. One process writes a journal.
//
//     node receiver.mjs --port 8080 --secret whsec_… [--secret whsec_OLD …] --database inbox.journal
//     node receiver.mjs --vectors vectors.json        checks its reading of requests against the test vectors, and ends

import { createHmac, timingSafeEqual } from "node:crypto";
import { closeSync, fdatasync, fsyncSync, ftruncateSync, openSync, readFileSync, write } from "node:fs";
import { createServer } from "node:http";
import { dirname } from "node:path";
import { parseArgs, promisify } from "node:util";

const TOLERANCE = 300; // seconds between the sender's clock and ours (Standard Webhooks)
const LONGEST_BODY = 1 << 20;

/** A request that cannot be taken, with the status that says so. */
class Refused extends Error {
  constructor(status, reason) {
    super(reason);
    this.status = status;
  }
}

// Reading a request: no state, no clock but the one given.

/** The key of `whsec_…`; `@FILE` names a file that holds it, which `ps` does not show. */
function readSecret(text) {
  if (text.startsWith("@")) text = readFileSync(text.slice(1), "ascii");
  text = text.trim().replace(/^whsec_/, "");
  const key = Buffer.from(text, "base64");
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text) || key.length < 16) {
    throw new Error("a secret is whsec_ and the base64 of at least 16 bytes, or @FILE");
  }
  return key;
}

/** Standard Webhooks: any of our secrets with any of the signatures, so that either side can rotate first. */
function verify(headers, body, secrets, now) {
  const [id, timestamp, signatures] = ["id", "timestamp", "signature"].map((name) => headers[`webhook-${name}`]);
  if (!id || !timestamp || !signatures) {
    throw new Refused(401, "webhook-id, webhook-timestamp or webhook-signature is missing");
  }
  if (!/^[0-9]{1,12}$/.test(timestamp)) throw new Refused(401, "webhook-timestamp is no number of seconds");
  if (Math.abs(now - Number(timestamp)) > TOLERANCE) {
    throw new Refused(401, `webhook-timestamp is more than ${TOLERANCE} s away from this clock`);
  }
  for (const secret of secrets) {
    const expected = createHmac("sha256", secret).update(`${id}.${timestamp}.`, "latin1").update(body).digest();
    for (const entry of signatures.split(" ")) {
      if (!entry.startsWith("v1,")) continue;
      const value = Buffer.from(entry.slice(3), "base64");
      if (value.length === expected.length && timingSafeEqual(value, expected)) return;
    }
  }
  throw new Refused(401, "no signature is by a secret of ours");
}

/** A String of RFC 8941, `"payment-o_1"`, perhaps with parameters; or the key as it is, from a route with `"bare"`. */
function idempotencyKey(value) {
  value = (value ?? "").replace(/^[ \t]+|[ \t]+$/g, "");
  if (!value) throw new Refused(400, "Idempotency-Key is missing");
  if (!value.startsWith('"')) {
    if (!/^[\x20-\x7e]+$/.test(value)) throw new Refused(400, "Idempotency-Key is no printable ASCII");
    return value;
  }
  const match = /^"((?:[\x20\x21\x23-\x5b\x5d-\x7e]|\\["\\])+)"(?: *;[\x20-\x7e]*)?$/.exec(value);
  if (!match) throw new Refused(400, "Idempotency-Key is no String of RFC 8941");
  return match[1].replace(/\\(.)/g, "$1");
}

// Deduplication and effect: one line, one write.

const writeAsync = promisify(write);
const syncAsync = promisify(fdatasync);

class Inbox {
  #file;
  #length = 0;
  #known = new Map(); // key to the answer, or to the promise of one that is being written
  #lines = []; // that wait for the next write
  #writing = false;
  #effects = 0;

  constructor(path) {
    this.#file = openSync(path, "a+");
    const bytes = readFileSync(path);
    // What follows the last line's end was being written when the process died: nobody was told of it.
    this.#length = bytes.lastIndexOf(0x0a) + 1;
    ftruncateSync(this.#file, this.#length);
    for (const line of bytes.subarray(0, this.#length).toString("utf8").split("\n")) {
      if (!line) continue;
      const entry = JSON.parse(line);
      this.#known.set(entry.key, entry.answer);
      this.#effects = Math.max(this.#effects, entry.answer.effect);
    }
    // A new file's name must outlive a crash as well as its contents.
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
  }

  /** The answer, and whether it is a repeated one. */
  async take(key, type, body) {
    const known = this.#known.get(key);
    if (known) return { answer: await known, replayed: true };
    this.#effects += 1;
    // The effect. Whatever it is, it is in this line, or it is not exactly once.
    const answer = { effect: this.#effects };
    const line = JSON.stringify({ key, type: type ?? null, body: body.toString("utf8"), answer }) + "\n";
    const written = new Promise((resolve, reject) => this.#lines.push({ line, resolve: () => resolve(answer), reject }));
    this.#known.set(key, written);
    this.#writeSoon();
    try {
      await written;
      this.#known.set(key, answer);
      return { answer, replayed: false };
    } catch (error) {
      this.#known.delete(key);
      throw error;
    }
  }

  async #writeSoon() {
    if (this.#writing) return;
    this.#writing = true;
    while (this.#lines.length > 0) {
      const batch = this.#lines.splice(0);
      try {
        const bytes = Buffer.from(batch.map((entry) => entry.line).join(""));
        for (let done = 0; done < bytes.length; ) done += (await writeAsync(this.#file, bytes, done)).bytesWritten ?? bytes.length;
        await syncAsync(this.#file);
        this.#length += bytes.length;
        for (const entry of batch) entry.resolve();
      } catch (error) {
        for (const entry of batch) entry.reject(error);
        // Half a line must not stand before the next one. If even that fails, only a new start can tell what is on the disk.
        try {
          ftruncateSync(this.#file, this.#length);
        } catch (fault) {
          console.error(fault);
          process.exit(70);
        }
      }
    }
    this.#writing = false;
  }
}

async function readBody(request) {
  const parts = [];
  let length = 0;
  for await (const part of request) {
    length += part.length;
    if (length > LONGEST_BODY) throw new Refused(413, `the body is longer than ${LONGEST_BODY} bytes`);
    parts.push(part);
  }
  return Buffer.concat(parts);
}

function serve(inbox, secrets) {
  let stopping = false;
  const server = createServer(async (request, response) => {
    const reply = (status, value, headers = {}) => {
      const body = JSON.stringify(value);
      if (stopping || status === 413) headers["Connection"] = "close";
      response.writeHead(status, { "Content-Type": "application/json", "Content-Length": Buffer.byteLength(body), ...headers });
      response.end(body);
    };
    try {
      if (request.method !== "POST") {
        request.resume();
        return reply(405, { error: "POST, please" }, { Allow: "POST" });
      }
      const body = await readBody(request);
      if (secrets.length > 0) verify(request.headers, body, secrets, Date.now() / 1000);
      const key = idempotencyKey(request.headers["idempotency-key"]);
      const { answer, replayed } = await inbox.take(key, request.headers["tallypost-task-type"], body);
      reply(200, answer, replayed ? { "Idempotent-Replayed": "true" } : {});
    } catch (error) {
      // A 4xx ends the task as failed: a person has to look. Nothing has happened here.
      if (error instanceof Refused) return reply(error.status, { error: error.message });
      if (request.destroyed && !request.complete) return; // cut off
      console.error(error);
      reply(503, { error: "not now" }, { "Retry-After": "1" });
    }
  });
  server.keepAliveTimeout = 60_000;
  const stop = () => {
    // Takes no new connection, and no new request on the old ones; what is under way is answered.
    stopping = true;
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  };
  process.on("SIGTERM", stop);
  process.on("SIGINT", stop);
  return server;
}

/** Reads the test vectors as requests are read. */
function check(path) {
  const vectors = JSON.parse(readFileSync(path, "utf8"));
  const faults = [];
  const expect = (name, holds) => holds || faults.push(name);
  const refuses = (call) => {
    try {
      call();
      return false;
    } catch (error) {
      return error instanceof Refused;
    }
  };
  for (const { name, headers: written, body: text, secrets: texts, now, idempotencyKey: key } of vectors.requests) {
    const headers = Object.fromEntries(Object.entries(written).map(([name, value]) => [name.toLowerCase(), value]));
    const body = Buffer.from(text);
    const secrets = texts.map(readSecret);
    for (const secret of secrets) expect(name, !refuses(() => verify(headers, body, [secret], now)));
    expect(`${name}: another secret`, refuses(() => verify(headers, body, [Buffer.alloc(32, 1)], now)));
    expect(`${name}: another body`, refuses(() => verify(headers, Buffer.from(text + " "), secrets, now)));
    for (const late of [-TOLERANCE - 1, TOLERANCE + 1]) {
      expect(`${name}: ${late} s`, refuses(() => verify(headers, body, secrets, now + late)));
    }
    expect(`${name}: key`, idempotencyKey(headers["idempotency-key"]) === key);
  }
  for (const vector of vectors.idempotencyKeys) {
    for (const format of ["structured", "bare"]) {
      if (vector[format] != null) expect(`key ${vector[format]}`, idempotencyKey(vector[format]) === vector.key);
    }
  }
  for (const value of vectors.noIdempotencyKeys) expect(`key ${value} is taken`, refuses(() => idempotencyKey(value)));
  for (const fault of faults) console.error(`wrong: ${fault}`);
  console.log(`${vectors.requests.length} requests, ${vectors.idempotencyKeys.length} keys: ${faults.length} wrong`);
  return faults.length > 0 ? 1 : 0;
}

const { values: options } = parseArgs({
  options: {
    host: { type: "string", default: "127.0.0.1" },
    port: { type: "string", default: "8080" },
    secret: { type: "string", multiple: true, default: [] },
    database: { type: "string", default: "inbox.journal" },
    vectors: { type: "string" },
  },
});
if (options.vectors) {
  process.exitCode = check(options.vectors);
} else {
  const server = serve(new Inbox(options.database), options.secret.map(readSecret));
  server.listen(Number(options.port), options.host, () => console.log(`listening on ${server.address().port}`));
}

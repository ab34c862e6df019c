// Run by test_dashboard.py with node, in a folder that holds the dashboard's scripts as the relay serves them.
import assert from 'node:assert/strict';

// As much of a page as the scripts need: elements that keep what was put into them. Markup cannot come in: there is no parser.
class Node_ {
  constructor(tag) { Object.assign(this, { tag, attributes: {}, children: [], dataset: {}, listeners: {} }); }
  setAttribute(name, value) { this.attributes[name] = String(value); }
  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.children = children; }
  addEventListener(name, listener) { this.listeners[name] = listener; }
  contains() { return false; }
  querySelectorAll() { return []; }
  querySelector() { return this.all().find((one) => one.tag === 'select') ?? null; }
  all() { return this.children.flatMap((one) => (one instanceof Node_ ? [one, ...one.all()] : [])); }
  set textContent(text) { this.children = [String(text)]; }
  get textContent() { return this.children.map((one) => (one instanceof Node_ ? one.textContent : String(one))).join(''); }
}
globalThis.document = { createElement: (tag) => new Node_(tag), createElementNS: (_, tag) => new Node_(tag), activeElement: null };
globalThis.location = { hash: '' };
const kept = new Map();
globalThis.sessionStorage = { getItem: (key) => kept.get(key) ?? null, setItem: (key, value) => kept.set(key, value), removeItem: (key) => kept.delete(key) };
const answers = new Map();
const asked = [];
globalThis.fetch = async (path, options) => {
  asked.push([options.method, path, options.headers]);
  const text = answers.get(path);
  return { ok: text !== undefined, status: text === undefined ? 404 : 200, text: async () => text ?? '{"detail":"nothing here"}' };
};

const format = await import('./format.js');
const overview = await import('./overview.js');
const charts = await import('./charts.js');
const { showTask } = await import('./tasks.js');
const { showFindings, sums, ordered } = await import('./findings.js');

const checks = {
  'no digit of a payload is lost'() {
    const text = '{"a":12345678901234567890,"b":1.10,"c":"9.90","d":[1,-0,1e3],"e":"x\\"1.10\\\\"}';
    assert.equal(format.pretty(format.parseExact(text)).replace(/\s/g, ''), text);
  },
  'money moves digits and computes none'() {
    assert.equal(format.money('-9007199254740993', 'EUR'), '−90,071,992,547,409.93 EUR');
    assert.equal(format.money('5', 'EUR'), '0.05 EUR');
    assert.equal(format.money('12400', 'JPY'), '12,400 JPY');
    assert.equal(format.money('1234', 'KWD'), '1.234 KWD');
    assert.equal(format.money(null, null), '');
  },
  'spans are told in two units at most'() {
    for (const [seconds, words] of [[0, '0 s'], [0.85, '850 ms'], [59.9, '59 s'], [61, '1 min 1 s'], [3600, '1 h'], [90061, '1 d 1 h']]) assert.equal(format.duration(seconds), words);
  },
  'sums never cross currencies'() {
    const one = (amountMinor, currency) => ({ amountMinor, currency, severity: 'low', firstSeen: '', id: '' });
    assert.deepEqual(sums([one('9007199254740993', 'EUR'), one('1', 'EUR'), one('7', 'JPY'), one(null, null)]), ['90,071,992,547,409.94 EUR', '7 JPY']);
  },
  'the worst finding comes first, then the oldest'() {
    const list = [['low', 'a'], ['critical', 'c'], ['critical', 'b']].map(([severity, firstSeen]) => ({ severity, firstSeen, id: firstSeen }));
    assert.deepEqual(ordered(list).map((one) => one.id), ['b', 'c', 'a']);
  },
  'a line ends at its newest value, whatever the values'() {
    assert.equal(charts.line([0, 5, 10], 100, 50), '0.0,50.0 50.0,25.0 100.0,0.0');
    assert.equal(charts.line([0, 0], 10, 5), '0.0,5.0 10.0,5.0');
  },
  'a relay that started anew is no negative rate'() {
    const list = [{ at: 0, finished: { a: 10 } }, { at: 2000, finished: { a: 30 } }, { at: 3000, finished: { a: 1 } }];
    assert.deepEqual(overview.rates(list), [10, 0]);
  },
  'all is well, until something is not'() {
    const well = front();
    assert.deepEqual(overview.assess(well), []);
    const run = { asOf: new Date(0).toISOString(), status: 'incomplete', breaks: { low: 0, medium: 0, high: 0, critical: 1 } };
    for (const [change, words] of [
      [{ database: { up: false, problem: 'The database cannot be reached.' } }, /cannot be reached/], [{ waiting: [{ type: 'a', pending: 1, oldestAgeSeconds: 301 }] }, /due for 5 min/],
      [{ pausedRoutes: [{ type: 'a', by: 'ana', reason: 'r' }] }, /paused by ana/], [{ statuses: { types: [{ type: 'a', counts: { failed: 1, timeout: 1 } }] } }, /2 tasks have failed/],
      [{ relay: { ...well.relay, live: false } }, /does not turn/], [{ relay: { ...well.relay, destinations: [{ destination: 'https://a', inFlight: 0, breakerOpen: true }] } }, /https:\/\/a/],
      [{ reconciliation: { lastRun: run } }, /incomplete[^]*grave[^]*ago/],
    ]) assert.match(overview.assess({ ...well, ...change }).map((one) => one.text).join('\n'), words);
  },
  'a reconciliation is old when two have been missed'() {
    const now = Date.parse('2026-11-20T12:00:00Z');
    const told = (everySeconds, age) => overview.assess({ ...front(), reconciliation: { everySeconds, lastRun: {
      asOf: new Date(now - age * 1000).toISOString(), status: 'clean', breaks: { low: 0, medium: 0, high: 0, critical: 0 } } } }, now).length;
    assert.deepEqual([told(300, 660), told(300, 661), told(null, 661), told(null, 86_401)], [0, 1, 0, 1]);
  },
  'the front page is drawn from the relay’s own answer'() {
    const place = new Node_('main');
    overview.draw(place, JSON.parse(process.env.OVERVIEW));
    assert.match(place.textContent, /Tasks by type/);
    assert.doesNotMatch(place.textContent, /NaN|undefined|\[object/);
  },
  async 'a task is drawn from the relay’s own answer, its text as text'() {
    sessionStorage.setItem('tallypost.token', 'sesame');
    answers.set('/v1/tasks/1', process.env.TASK);
    const place = new Node_('main');
    await showTask(place, { id: '1' });
    assert.match(place.textContent, /<img src=x onerror=alert\(1\)>/);
    assert.match(place.textContent, /12345678901234567890/);
    assert.doesNotMatch(place.textContent, /NaN|undefined|\[object/);
    assert.ok(!place.all().some((one) => one.tag === 'img'));
    const [, path, headers] = asked.at(-1);
    assert.equal(headers.Authorization, 'Bearer sesame');
    assert.ok(!path.includes('sesame'));
  },
  async 'findings are drawn, and nothing wrong is said plainly'() {
    const place = new Node_('main');
    answers.set('/v1/findings?state=open%2Cacknowledged&limit=200', '{"findings":[],"next":null}');
    await showFindings(place, { query: {} });
    assert.match(place.textContent, /Nothing matches/);
  },
};

function front() {
  return { relay: { live: true, draining: false, destinations: [], types: [] }, database: { up: true, problem: null }, waiting: [], statuses: { types: [] }, pausedRoutes: [], relays: [], reconciliation: { lastRun: null } };
}

for (const [name, check] of Object.entries(checks)) {
  try { await check(); } catch (error) { console.error(`FAILED: ${name}\n${error.stack}`); process.exitCode = 1; }
}
console.log(`${Object.keys(checks).length} checks`);

// The front page: is it well, and what waits.
import { trend } from './charts.js';
import { badge, el, fill, table, time } from './dom.js';
import { count, duration, rate } from './format.js';

/** Due for longer than this is worth a word. */
const slowAfter = 300;
/** A reconciliation older than this, too, if nobody says how often there should be one. */
const staleAfter = 86_400;

/** What is wrong, worst first: {level: 'bad' | 'warn', text, href}. Nothing: all is well. */
export function assess(overview, now = Date.now()) {
  const found = [];
  const say = (level, text, href) => found.push({ level, text, href });
  if (!overview.relay.live) say('bad', 'The relay’s dispatch loop does not turn.');
  if (overview.relay.draining) say('warn', 'The relay is stopping: it takes no more tasks.');
  if (overview.database.problem) say(overview.database.up ? 'warn' : 'bad', overview.database.problem);
  const open = overview.relay.destinations.filter((one) => one.breakerOpen);
  if (open.length) say('bad', `Nothing but probes goes to ${open.map((one) => one.destination).join(', ')}: too many attempts failed.`);
  for (const route of overview.pausedRoutes) say('warn', `${route.type} is paused by ${route.by}: ${route.reason || 'no reason given'}.`, '#/routes');
  for (const line of overview.waiting.filter((one) => one.oldestAgeSeconds > slowAfter)) {
    say('warn', `${line.type} has been due for ${duration(line.oldestAgeSeconds)}.`, `#/tasks?status=pending&type=${encodeURIComponent(line.type)}`);
  }
  const totals = statusTotals(overview);
  const dead = (totals.failed ?? 0) + (totals.timeout ?? 0);
  if (dead) say('warn', `${count(dead)} ${dead === 1 ? 'task has' : 'tasks have'} failed or timed out and wait for somebody.`, '#/tasks?status=failed');
  const run = overview.reconciliation?.lastRun;
  if (run) {
    if (run.status === 'incomplete') say('bad', 'The last reconciliation is incomplete: more may be wrong than is known.', '#/reports');
    const grave = run.breaks.critical + run.breaks.high;
    if (grave) say(run.breaks.critical ? 'bad' : 'warn', `${count(grave)} grave ${grave === 1 ? 'break' : 'breaks'} in the books.`, '#/findings');
    const age = (now - Date.parse(run.asOf)) / 1000;
    // As the alert has it: two were missed, and a minute of grace.
    const every = overview.reconciliation.everySeconds;
    if (age > (every ? 2 * every + 60 : staleAfter)) say('warn', `The last reconciliation was ${duration(age)} ago.`, '#/reports');
  }
  return found.sort((a, b) => (a.level === b.level ? 0 : a.level === 'bad' ? -1 : 1));
}

/** Tasks by status, over all types. */
export function statusTotals(overview) {
  const totals = {};
  for (const line of overview.statuses?.types ?? []) {
    for (const [status, number] of Object.entries(line.counts)) totals[status] = (totals[status] ?? 0) + number;
  }
  return totals;
}

const kept = 200;
/** What was seen since the page was opened: {at, finished, pending, inFlight}. */
const samples = [];

const sum = (list, value) => list.reduce((total, one) => total + value(one), 0);

/** Takes figures in for the charts. */
export function remember(overview, at = Date.now()) {
  if (!overview.database.up) return;
  samples.push({
    at, pending: sum(overview.waiting, (one) => one.pending), inFlight: sum(overview.relay.destinations, (one) => one.inFlight),
    finished: Object.fromEntries(overview.relay.types.map((one) => [one.type, sum(Object.values(one.finished ?? {}), (number) => number)])),
  });
  if (samples.length > kept) samples.shift();
}

const finished = (sample, type) => (type === undefined ? sum(Object.values(sample.finished), (number) => number) : sample.finished[type] ?? 0);

/** Tasks finished a second by this relay, between each two samples. A relay that was started anew counts from 0. */
export function rates(list, type) {
  return list.slice(1).map((sample, index) => {
    const seconds = (sample.at - list[index].at) / 1000;
    return seconds > 0 ? Math.max(0, finished(sample, type) - finished(list[index], type)) / seconds : 0;
  });
}

const section = (id, title, ...content) => el('section', { 'aria-labelledby': id }, el('h2', { id }, title), ...content);
const tile = (name, value, note, level, href) => el(href ? 'a' : 'div', { class: `tile ${level ?? ''}`, href, 'data-key': `tile ${name}` },
  el('span', { class: 'name' }, name), el('b', {}, value), el('small', {}, note ?? ''));

function tiles(overview) {
  const oldest = Math.max(0, ...overview.waiting.map((one) => one.oldestAgeSeconds));
  const open = overview.relay.destinations.filter((one) => one.breakerOpen).length;
  const totals = statusTotals(overview);
  const minute = overview.statuses?.finishedLastMinute ?? {};
  const run = overview.reconciliation?.lastRun;
  const breaks = run ? sum(Object.values(run.breaks), (number) => number) : 0;
  return el('div', { class: 'tiles' },
    tile('Database', overview.database.up ? 'up' : 'away', overview.database.problem ? 'see above' : 'answers', overview.database.up ? 'good' : 'bad'),
    tile('Waiting', count(sum(overview.waiting, (one) => one.pending)), overview.statuses ? `${count(overview.statuses.due)} due now` : '', '', '#/tasks?status=pending'),
    tile('Oldest due', duration(oldest), oldest > slowAfter ? 'late' : 'in time', oldest > slowAfter ? 'warn' : 'good'),
    tile('In flight', count(sum(overview.relay.destinations, (one) => one.inFlight)), 'of this relay', '', '#/tasks?status=processing'),
    tile('Last minute', count(sum(Object.values(minute), (number) => number)), minute.failed ? `ended; ${count(minute.failed)} failed` : 'ended'),
    tile('Failed', overview.statuses ? count((totals.failed ?? 0) + (totals.timeout ?? 0)) : '…', totals.timeout ? `${count(totals.timeout)} timed out` : 'dead letters', totals.failed ? 'warn' : 'good', '#/tasks?status=failed'),
    tile('Breakers open', count(open), open ? 'destinations fail' : 'all closed', open ? 'bad' : 'good'),
    tile('Routes paused', count(overview.pausedRoutes.length), '', overview.pausedRoutes.length ? 'warn' : 'good', '#/routes'),
    overview.reconciliation ? tile('Breaks', run ? count(breaks) : '–', run ? el('span', {}, 'as of ', time(run.asOf)) : 'no run yet',
      !run ? '' : run.status === 'incomplete' || run.breaks.critical ? 'bad' : breaks ? 'warn' : 'good', '#/findings') : null);
}

function byType(overview) {
  const waiting = new Map(overview.waiting.map((one) => [one.type, one]));
  const counts = new Map((overview.statuses?.types ?? []).map((one) => [one.type, one.counts]));
  const names = [...new Set([...waiting.keys(), ...counts.keys(), ...overview.relay.types.filter((one) => one.type !== '(other)' && sum(Object.values(one.finished), (number) => number)).map((one) => one.type)])].sort();
  const link = (type, status, number) => (number ? el('a', { href: `#/tasks?status=${status}&type=${encodeURIComponent(type)}`, 'data-key': `${type} ${status}` }, count(number)) : '0');
  const unknown = overview.statuses ? 0 : null;
  return table('Tasks by type', [
    { title: 'Type' }, { title: 'Waiting', isNumber: true }, { title: 'Oldest due', isNumber: true }, { title: 'Per second', isNumber: true },
    { title: 'In process', isNumber: true }, { title: 'Await signal', isNumber: true }, { title: 'Failed', isNumber: true }, { title: 'Timed out', isNumber: true }, { title: 'Completed', isNumber: true },
  ], names.map((type) => {
    const has = (status) => counts.get(type)?.[status] ?? unknown;
    const cell = (status) => (has(status) === null ? '…' : link(type, status, has(status)));
    const age = waiting.get(type)?.oldestAgeSeconds ?? 0;
    return [
      el('a', { href: `#/tasks?type=${encodeURIComponent(type)}`, 'data-key': `type ${type}` }, type || '(none)'), link(type, 'pending', waiting.get(type)?.pending ?? 0),
      age > slowAfter ? badge('warn', duration(age)) : age ? duration(age) : '–', rate(rates(samples.slice(-6), type).reduce((a, b, _, all) => a + b / all.length, 0)),
      cell('processing'), cell('waiting'), cell('failed'), cell('timeout'), cell('completed'),
    ];
  }), 'There are no tasks yet.');
}

const destinations = (overview) => table('Destinations of this relay', [{ title: 'Destination' }, { title: 'In flight', isNumber: true }, { title: 'Breaker' }],
  overview.relay.destinations.map((one) => [one.destination, count(one.inFlight), one.breakerOpen ? badge('bad', 'open') : badge('good', 'closed')]),
  'No route names a destination.');

const reasons = { breaker: 'breaker open', retryAfter: 'asked for time', rate: 'rate used up', concurrency: 'all places taken' };
const leases = (overview) => {
  const held = new Map((overview.statuses?.leases ?? []).map((one) => [one.relay, one]));
  const names = [...new Set([...overview.relays.map((one) => one.name), ...held.keys()])].filter(Boolean).sort();
  const seen = new Map(overview.relays.map((one) => [one.name, one]));
  return table('Relays', [{ title: 'Relay' }, { title: 'Tasks held', isNumber: true }, { title: 'Seen' }, { title: 'Held back by' }], names.map((name) => [
    name, count(held.get(name)?.count), seen.has(name) ? time(seen.get(name).seenAt) : '–',
    (seen.get(name)?.state?.restraints ?? []).map((one) => `${one.destination}: ${reasons[one.reason] ?? one.reason}`).join('; ') || 'nothing',
  ]), 'Only relays that share a rate, hold tasks or are held back are listed, and none does or is.');
};

/** Draws it into `place`, again and again. */
export function draw(place, overview) {
  const wrong = assess(overview);
  const minutes = samples.length > 1 ? `last ${duration((samples.at(-1).at - samples[0].at) / 1000)}` : '';
  const item = (one) => el('li', { class: one.level }, one.href ? el('a', { href: one.href, 'data-key': one.text }, one.text) : one.text);
  fill(place,
    el('div', { class: `verdict ${wrong[0]?.level ?? 'good'}` },
      el('h1', { tabindex: -1 }, wrong.length === 0 ? 'All is well' : wrong.length === 1 ? 'One thing needs a look' : `${wrong.length} things need a look`),
      wrong.length ? el('ul', {}, wrong.map(item)) : el('p', {}, 'The database answers, nothing is late, nothing has failed, and nothing is held back.')),
    tiles(overview),
    el('div', { class: 'trends' },
      trend('Finished', rates(samples), rate, minutes), trend('Waiting', samples.map((one) => one.pending), count, minutes),
      trend('In flight', samples.map((one) => one.inFlight), count, minutes)),
    section('by-type', 'Tasks by type', byType(overview)),
    el('div', { class: 'columns' }, section('destinations', 'Destinations', destinations(overview)), section('relays', 'Relays', leases(overview))));
}

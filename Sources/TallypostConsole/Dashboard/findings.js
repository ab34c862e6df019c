// Findings of reconciliation: what is wrong, how much, since when and whose it is; acknowledge and resolve.
import { address, get, post } from './client.js';
import { announce, badge, choice, confirm, el, facts, field, fill, table, time, trouble } from './dom.js';
import { count, money, plain, words } from './format.js';

const severities = ['critical', 'high', 'medium', 'low'];
const classes = ['stale_pending', 'stuck_processing', 'deadline_passed', 'sla_breach', 'failed', 'orphan', 'missing', 'duplicate', 'amount_mismatch',
  'currency_mismatch', 'status_mismatch', 'unknown_type', 'invalid', 'unexplained_change', 'rule_breach', 'they_have_we_dont', 'we_say_done_they_dont', 'done_twice', 'outcome_mismatch'];
const states = [{ value: 'open,acknowledged', text: 'open or acknowledged' }, 'open', 'acknowledged', 'unconfirmed', 'resolved', 'cleared', { value: '', text: 'any' }];

const severityBadge = (severity) => badge({ critical: 'bad', high: 'bad', medium: 'warn' }[severity] ?? 'dim', severity);
const stateBadge = (state) => badge({ open: 'bad', acknowledged: 'warn', resolved: 'good', cleared: 'good' }[state] ?? 'dim', state);
const subject = (finding) => plain(finding.subject) || plain(finding.idempotencyKey) || (finding.taskId ? `#${finding.taskId}` : '–');

/** Sums by currency, in minor units: there is no total over currencies. */
export function sums(findings) {
  const found = new Map();
  for (const one of findings) {
    if (one.amountMinor === null || !one.currency) continue;
    // Without its sign, as the reports add it up: two mistakes do not make up for each other.
    const amount = BigInt(one.amountMinor);
    found.set(one.currency, (found.get(one.currency) ?? 0n) + (amount < 0n ? -amount : amount));
  }
  return [...found].sort().map(([currency, sum]) => money(String(sum), currency));
}

/** Worst first, then oldest first. */
export const ordered = (findings) => [...findings].sort((a, b) =>
  severities.indexOf(a.severity) - severities.indexOf(b.severity) || a.firstSeen.localeCompare(b.firstSeen) || a.id.localeCompare(b.id));

/** The list. */
export async function showFindings(place, to) {
  const filter = { state: to.query.state ?? 'open,acknowledged', severity: to.query.severity ?? '', class: to.query.class ?? '', type: to.query.type ?? '', owner: to.query.owner ?? '', rule: to.query.rule ?? '' };
  const form = el('form', { class: 'filter', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    const values = Object.fromEntries(new FormData(form));
    // "any" must be said: an address without a state means those that count today.
    const goal = address('#/findings', values) + (values.state === '' ? `${Object.values(values).some(Boolean) ? '&' : '?'}state=` : '');
    if (goal === location.hash) showFindings(place, to); else location.hash = goal;
  } },
  field('State', choice('state', states, filter.state)), field('Severity', choice('severity', [{ value: '', text: 'any' }, ...severities], filter.severity)),
  field('Class', choice('class', [{ value: '', text: 'any' }, ...classes.map((name) => ({ value: name, text: words(name) }))], filter.class)),
  ...['type', 'owner', 'rule'].map((name) => field(name[0].toUpperCase() + name.slice(1), el('input', { id: name, name, value: filter[name], autocomplete: 'off' }))),
  el('button', { type: 'submit', class: 'primary' }, 'Show'));
  for (const select of form.querySelectorAll('select')) select.addEventListener('change', () => form.requestSubmit());
  const list = el('div', {}, el('p', { class: 'empty' }, 'Asking…'));
  fill(place, el('h1', { tabindex: -1 }, 'Findings'), el('div', { class: 'bar' }, form), list);
  await page(list, filter, '', []);
}

async function page(list, filter, cursor, before) {
  const answer = await get(address('/v1/findings', { ...filter, limit: 200, cursor }));
  const findings = ordered([...before, ...answer.findings]);
  const amounts = sums(findings);
  fill(list,
    findings.length ? el('p', { role: 'status' }, `${count(findings.length)} shown${answer.next ? ' of more' : ''}${amounts.length ? `; ${amounts.join(', ')} together` : ''}.`) : null,
    table('Findings', [{ title: 'Severity' }, { title: 'What' }, { title: 'Subject' }, { title: 'Type' }, { title: 'Amount', isNumber: true }, { title: 'First seen' }, { title: 'Owner' }, { title: 'State' }, { title: 'Detail' }],
      findings.map((one) => [severityBadge(one.severity), el('a', { href: `#/findings/${one.id}`, 'data-key': one.id }, words(one.class)), subject(one), plain(one.type) || '–', money(one.amountMinor, one.currency) || '–',
        time(one.firstSeen), one.owner || 'nobody', stateBadge(one.state), el('span', { class: 'error', title: one.detail }, one.detail)]),
      'Nothing matches. Nothing wrong was found, or reconciliation has not run: see Reports.'),
    answer.next ? el('div', { class: 'buttons start' }, el('button', { type: 'button', class: 'plain', 'data-key': 'more', onclick: async (event) => {
      event.target.disabled = true;
      try { await page(list, filter, answer.next, findings); } catch (error) { list.append(trouble(error)); event.target.disabled = false; }
    } }, 'More')) : null);
}

/** One finding. */
export async function showFinding(place, to) {
  const { finding } = await get(`/v1/findings/${encodeURIComponent(to.id)}`);
  const again = () => showFinding(place, to).catch((error) => place.append(trouble(error)));
  const path = `/v1/findings/${finding.id}`;
  const acknowledge = async () => {
    const until = el('input', { id: 'until', name: 'until', type: 'datetime-local' });
    const done = await confirm({
      title: `Acknowledge ${finding.id}?`, text: el('p', {}, 'It stays in the totals and in every report. The acknowledgement ends at the time you give, or when its amount or severity changes.'),
      fields: [field('Until (your local time)', until, 'Empty: for good.')], button: 'Acknowledge', reason: 'Reason',
      act: ({ who, why, until: text }) => post(`${path}/ack`, { by: who, reason: why, ...(text ? { until: new Date(text).toISOString() } : {}) }),
    });
    if (done) { announce(`${finding.id} is ${done.finding.state}.`); again(); }
  };
  const resolve = async () => {
    const done = await confirm({
      title: `Resolve ${finding.id}?`, text: el('p', {}, 'You say that it is dealt with. Should a later run find it again, it is reopened under the same id.'), button: 'Resolve', reason: 'Reason',
      act: ({ who, why }) => post(`${path}/resolve`, { by: who, reason: why }),
    });
    if (done) { announce(`${finding.id} is ${done.finding.state}.`); again(); }
  };
  const isOver = !['open', 'acknowledged'].includes(finding.state);
  fill(place,
    el('p', { class: 'back' }, el('a', { href: '#/findings' }, '← Findings')),
    el('h1', { tabindex: -1 }, `${words(finding.class)} `, severityBadge(finding.severity), ' ', stateBadge(finding.state)),
    el('p', { class: 'prose lead' }, finding.detail),
    el('div', { class: 'buttons start' }, isOver ? null : el('button', { type: 'button', class: 'primary', 'data-key': 'ack', onclick: acknowledge }, 'Acknowledge…'),
      isOver ? null : el('button', { type: 'button', class: 'plain', 'data-key': 'resolve', onclick: resolve }, 'Resolve…')),
    facts([
      ['Finding', el('code', {}, finding.id)], ['Amount', money(finding.amountMinor, finding.currency)], ['Type', finding.type], ['Subject', plain(finding.subject)],
      ['Idempotency key', finding.idempotencyKey ? el('code', {}, plain(finding.idempotencyKey)) : null], ['Task', finding.taskId ? el('a', { href: `#/tasks/${finding.taskId}` }, `#${finding.taskId}`) : null],
      ['Rule', finding.rule], ['Owner', finding.owner || 'nobody'], ['Wrong since', finding.since ? time(finding.since) : null], ['First seen', time(finding.firstSeen)], ['Last seen', time(finding.lastSeen)],
      ['To the run before', finding.change], [finding.state === 'resolved' ? 'Resolved by' : 'Acknowledged by', finding.by], ['Reason', finding.reason], ['Until', finding.until ? time(finding.until) : null],
    ]));
}

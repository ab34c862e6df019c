// Tasks: a list with a filter, one with its history, retry and cancel.
import { address, getRows, post } from './client.js';
import { announce, choice, confirm, el, facts, field, fill, statusBadge, table, time, trouble } from './dom.js';
import { canCancel, canRetry, count, duration, isFinal, money, plain, pretty } from './format.js';

const statuses = ['blocked', 'pending', 'processing', 'waiting', 'completed', 'failed', 'timeout', 'cancelled'];
const perPage = 50;

/** Columns of a task that have a place of their own on its page, or that say nothing by themselves. */
const elsewhere = new Set(['id', 'type', 'status', 'payload', 'headers', 'result', 'start_result', 'progress', 'checkpoint', 'last_error',
  'amount_minor', 'currency', 'subject', 'idempotency_key', 'attempts', 'created_at', 'run_at', 'started_at', 'finished_at', 'target_url', 'max_attempts', 'signal_token']);

const link = (task) => el('a', { href: `#/tasks/${task.id}` }, `#${task.id}`);

const row = (task) => [
  link(task), statusBadge(task.status), plain(task.type), plain(task.subject) || '–', money(task.amount_minor, task.currency) || '–',
  count(task.attempts), time(task.finished_at ?? task.run_at), el('span', { class: 'error', title: plain(task.last_error) }, plain(task.last_error) || '–'),
];
const columns = [{ title: 'Task' }, { title: 'Status' }, { title: 'Type' }, { title: 'Subject' }, { title: 'Amount', isNumber: true },
  { title: 'Attempts', isNumber: true }, { title: 'Ended or due' }, { title: 'Last error' }];

/** A table of tasks. */
export const taskTable = (tasks, empty) => table('Tasks', columns, tasks.map(row), empty);

/** The list. */
export async function showTasks(place, to, overview) {
  const filter = { status: to.query.status ?? '', type: to.query.type ?? '', subject: to.query.subject ?? '' };
  const types = [...new Set([...(overview?.statuses?.types ?? []), ...(overview?.waiting ?? [])].map((one) => one.type))].sort();
  const form = el('form', { class: 'filter', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    const goal = address('#/tasks', Object.fromEntries(new FormData(form)));
    if (goal === location.hash) showTasks(place, to, overview); else location.hash = goal;
  } },
  field('Status', choice('status', [{ value: '', text: 'any' }, ...statuses], filter.status)),
  field('Type', el('input', { id: 'type', name: 'type', value: filter.type, list: 'types', autocomplete: 'off' })),
  el('datalist', { id: 'types' }, types.map((type) => el('option', { value: type }))),
  field('Subject', el('input', { id: 'subject', name: 'subject', value: filter.subject, autocomplete: 'off' })),
  el('button', { type: 'submit', class: 'primary' }, 'Show'));
  form.querySelector('select').addEventListener('change', () => form.requestSubmit());
  const number = el('form', { class: 'filter', onsubmit: (event) => {
    event.preventDefault();
    location.hash = `#/tasks/${encodeURIComponent(number.elements.id.value.trim().replace(/^#/, ''))}`;
  } }, field('Go to task', el('input', { id: 'id', name: 'id', inputmode: 'numeric', size: 10, required: true, autocomplete: 'off' })), el('button', { type: 'submit', class: 'plain' }, 'Open'));
  const list = el('div', {}, el('p', { class: 'empty' }, 'Asking…'));
  const bulk = canRetry(filter.status) || (!filter.status && (filter.type || filter.subject))
    ? el('button', { type: 'button', class: 'plain', onclick: () => retryAll(filter, () => showTasks(place, to, overview)) }, 'Retry all of these…') : null;
  fill(place, el('h1', { tabindex: -1 }, 'Tasks'), el('div', { class: 'bar' }, form, number), list, bulk ? el('div', { class: 'buttons start' }, bulk) : null);
  await page(list, filter, '', []);
}

async function page(list, filter, cursor, before) {
  const answer = await getRows(address('/v1/tasks', { ...filter, limit: perPage, cursor }));
  const tasks = [...before, ...answer.tasks];
  fill(list, taskTable(tasks, 'No task matches.'), answer.next ? el('div', { class: 'buttons start' }, el('button', { type: 'button', class: 'plain', 'data-key': 'more', onclick: async (event) => {
    event.target.disabled = true;
    try { await page(list, filter, plain(answer.next), tasks); } catch (error) { list.append(trouble(error)); event.target.disabled = false; }
  } }, `More, after #${plain(answer.next)}`)) : null,
  tasks.length ? el('p', { class: 'dim', role: 'status' }, `${count(tasks.length)} shown${answer.next ? '; there are more' : ', and that is all'}.`) : null);
}

/** Counts first; what is retried is no more than was counted. */
async function retryAll(filter, then) {
  const wanted = Object.fromEntries(Object.entries(filter).filter(([, value]) => value));
  let number;
  try { number = (await post('/v1/tasks/retry', { filter: wanted, dryRun: true })).count; } catch (error) { announce(error.message); return; }
  if (!number) { announce('No task that matches can be retried.'); return; }
  const named = Object.entries(wanted).map(([name, value]) => `${name} ${value}`).join(', ');
  const done = await confirm({
    title: `Retry ${count(number)} ${number === 1 ? 'task' : 'tasks'}?`,
    text: [el('p', {}, `With ${named}. Each goes back to pending, gets its attempts anew, and is sent again under the key it had.`),
      el('p', {}, 'A receiver that has forgotten old keys would do it twice: ask before you retry what is older than its memory.')],
    button: `Retry ${count(number)}`, isDangerous: true,
    act: ({ who, why }) => post('/v1/tasks/retry', { filter: wanted, by: who, why }),
  });
  if (!done) return;
  announce(`${count(done.count)} of ${count(number)} were put back to pending.`);
  then();
}

/** One task. */
export async function showTask(place, to) {
  const answer = await getRows(`/v1/tasks/${encodeURIComponent(to.id)}`);
  const { task } = answer;
  const again = () => showTask(place, to).catch((error) => place.append(trouble(error)));
  const change = async (action, text, isDangerous) => {
    const done = await confirm({
      title: `${action === 'retry' ? 'Retry' : 'Cancel'} task #${task.id}?`, text: el('p', {}, text), button: action === 'retry' ? 'Retry it' : 'Cancel it', isDangerous,
      act: ({ who, why }) => post(`/v1/tasks/${task.id}/${action}`, { by: who, why }),
    });
    if (!done) return;
    announce(`Task #${task.id} is ${done.task.status} now.`);
    again();
  };
  const buttons = [
    canRetry(task.status) ? el('button', { type: 'button', class: 'primary', 'data-key': 'retry', onclick: () => change('retry',
      `It is ${task.status}. It goes back to pending with fresh attempts, and is sent again under the key it had.`, task.status === 'completed') }, 'Retry…') : null,
    canCancel(task.status) ? el('button', { type: 'button', class: 'danger', 'data-key': 'cancel', onclick: () => change('cancel',
      `It is ${task.status}. It will not be sent; what hangs on it may end too.`, true) }, 'Cancel…') : null,
    el('button', { type: 'button', class: 'plain', 'data-key': 'again', onclick: again }, 'Refresh'),
  ];
  fill(place,
    el('p', { class: 'back' }, el('a', { href: address('#/tasks', { type: plain(task.type) }) }, `← Tasks of ${plain(task.type)}`)),
    el('h1', { tabindex: -1 }, `Task #${task.id} `, statusBadge(task.status)),
    task.last_error ? el('p', { class: `notice ${isFinal(task.status) && task.status !== 'completed' ? 'bad' : 'warn'}` }, el('b', {}, 'Last error: '), plain(task.last_error)) : null,
    el('div', { class: 'buttons start' }, buttons),
    facts([
      ['Type', plain(task.type)], ['Subject', plain(task.subject)], ['Amount', money(task.amount_minor, task.currency)],
      ['Attempts', `${count(task.attempts)}${task.max_attempts ? ` of ${task.max_attempts}` : ''}`], ['Idempotency key', el('code', {}, plain(task.idempotency_key))],
      ['Made', time(task.created_at)], ['Due', time(task.run_at)], ['Last sent', task.started_at ? time(task.started_at) : null],
      ['Ended', task.finished_at ? time(task.finished_at) : null], ['Goes to', task.target_url ? el('code', {}, plain(task.target_url)) : null],
      ['Group', task.group_key ? el('a', { href: `#/groups/${encodeURIComponent(plain(task.group_key))}` }, plain(task.group_key)) : null],
      ['After', task.run_after ? el('a', { href: `#/tasks/${task.run_after}` }, `#${task.run_after}`) : null],
    ]),
    documentOf('Payload', task.payload, true), documentOf('Result', task.result, true), documentOf('Answer before the wait', task.start_result),
    documentOf('Progress', task.progress), documentOf('Checkpoint', task.checkpoint), documentOf('Extra headers', task.headers),
    attempts(answer.attempts, task), events(answer.events),
    el('details', {}, el('summary', {}, 'Every other column'), facts(Object.entries(task).filter(([name]) => !elsewhere.has(name)).map(([name, value]) => [name, plain(value)]))));
}

function documentOf(title, value, isOpen = false) {
  if (value === null || value === undefined) return null;
  return el('details', { open: isOpen }, el('summary', {}, title), el('pre', { tabindex: 0 }, typeof value === 'string' ? plain(value) : pretty(value)));
}

const attempts = (list, task) => el('section', {}, el('h2', {}, 'Attempts'), table('Attempts',
  [{ title: 'No.', isNumber: true }, { title: 'Ended' }, { title: 'Took', isNumber: true }, { title: 'HTTP', isNumber: true }, { title: 'What went wrong' }, { title: 'Its answer began' }, { title: 'Relay' }],
  list.map((one) => [plain(one.attempt), time(one.ended_at), duration(Number(one.duration_ms) / 1000), plain(one.response_status) || '–', plain(one.error) || '–',
    one.response_start ? el('code', {}, plain(one.response_start)) : '–', plain(one.relay) || '–']),
  task.attempts ? `Nothing beyond what the row tells: ${task.response_status ? `the last answer was HTTP ${task.response_status}` : plain(task.last_error) || 'it is under way'}.` : 'It has not been sent yet.'));

const events = (list) => el('section', {}, el('h2', {}, 'What people and policies did'), table('Events',
  [{ title: 'When' }, { title: 'What' }, { title: 'Who' }, { title: 'Why' }],
  list.map((one) => [time(one.at), plain(one.event), plain(one.by), [plain(one.why), one.detail ? el('small', { class: 'below' }, plain(one.detail)) : null].filter(Boolean)]), 'Nothing.'));

// Starts the page, asks for the token, shows what the address names, and keeps it fresh while somebody looks.
import { get, hasToken, onRefused, setToken } from './client.js';
import { el, field, fill, trouble } from './dom.js';
import * as overview from './overview.js';
import { showTask, showTasks } from './tasks.js';
import { showRoutes } from './routes.js';
import { showFinding, showFindings } from './findings.js';
import { showReports } from './reports.js';
import { showGroup } from './groups.js';

const pages = [['', 'Overview'], ['tasks', 'Tasks'], ['findings', 'Findings'], ['reports', 'Reports'], ['routes', 'Routes'], ['groups', 'Groups']];
const main = document.getElementById('main');
const state = document.getElementById('state');
const fresh = document.getElementById('fresh');
const often = 3_000;
const seldom = 10_000;
let last = null;
let timer = 0;
let isAsking = false;
let isLocked = false;

function place() {
  const [path, query] = location.hash.replace(/^#\/?/, '').split('?');
  const parts = path.split('/').map((part) => { try { return decodeURIComponent(part); } catch { return part; } });
  return { page: parts[0], id: parts[1], query: Object.fromEntries(new URLSearchParams(query ?? '')) };
}

function drawPages(current) {
  fill(document.getElementById('pages'), pages.map(([page, title]) =>
    el('a', { href: `#/${page}`, 'aria-current': page === current ? 'page' : null }, title)));
}

const views = { tasks: (to) => (to.id ? showTask : showTasks), findings: (to) => (to.id ? showFinding : showFindings), reports: () => showReports, routes: () => showRoutes, groups: () => showGroup };

async function show() {
  if (isLocked) return;
  const to = place();
  drawPages(to.page);
  document.title = `${pages.find(([page]) => page === to.page)?.[1] ?? 'Overview'} · Tallypost`;
  const content = el('div', { class: `page ${to.page || 'overview'}`, 'aria-busy': true });
  main.replaceChildren(content);
  if (views[to.page]) {
    try { await views[to.page](to)(content, to, last); } catch (error) { fill(content, el('h1', { tabindex: -1 }, 'It cannot be shown'), trouble(error)); }
  } else if (last) {
    overview.draw(content, last);
  } else {
    fill(content, el('h1', { tabindex: -1 }, 'Asking the relay…'));
  }
  content.removeAttribute('aria-busy');
  poll();
}

/** Asks for the front page's figures, and again in a while; not while nobody looks. */
async function poll() {
  clearTimeout(timer);
  if (document.hidden || isLocked || isAsking) return;
  isAsking = true;
  const isFront = !views[place().page];
  try {
    last = await get('/v1/overview');
    overview.remember(last);
    tell(overview.assess(last));
    if (isFront && !views[place().page] && main.firstElementChild) {
      main.classList.remove('stale');
      overview.draw(main.firstElementChild, last);
    }
    document.getElementById('build').textContent = `Tallypost ${last.relay.version ?? ''}`;
    fresh.textContent = `Figures of ${new Date().toLocaleTimeString()}`;
  } catch (error) {
    if (error.status === 401) return;
    say('bad', error.message);
    main.classList.add('stale');
    if (isFront && !last && main.firstElementChild) fill(main.firstElementChild, el('h1', { tabindex: -1 }, 'No figures'), trouble(error));
  } finally {
    isAsking = false;
    // The first figures come without the counts of all rows: those are there a moment later.
    timer = setTimeout(poll, !isFront ? seldom : last && !last.statuses && last.database.up ? 700 : often);
  }
}

function tell(wrong) {
  const bad = wrong.some((one) => one.level === 'bad');
  say(bad ? 'bad' : wrong.length ? 'warn' : 'good', bad ? 'Trouble' : wrong.length ? 'Needs a look' : 'All is well');
}

/** Only what changes is said: a screen reader is not told every three seconds that all is well. */
function say(level, text) {
  if (state.textContent === text) return;
  state.className = `state ${level}`;
  state.textContent = text;
}

function lock(wasWrong) {
  if (isLocked && !wasWrong) return;
  isLocked = true;
  clearTimeout(timer);
  document.title = 'Token · Tallypost';
  fill(document.getElementById('pages'));
  document.getElementById('leave').hidden = true;
  say('', '');
  const input = el('input', { id: 'token', type: 'password', required: true, autocomplete: 'current-password', spellcheck: 'false' });
  const form = el('form', { class: 'lock', onsubmit: (event) => {
    event.preventDefault();
    setToken(input.value.trim());
    unlock();
  } },
  el('h1', { tabindex: -1 }, 'The admin token, please'),
  el('p', {}, 'This relay’s API wants the token that ', el('code', {}, 'adminToken'), ' names in its configuration. It is kept for this tab alone.'),
  el('input', { type: 'text', name: 'username', autocomplete: 'username', value: 'tallypost', hidden: true }),
  wasWrong ? trouble({ message: 'That is not the token of this relay.' }) : null,
  field('Admin token', input), el('div', { class: 'buttons' }, el('button', { type: 'submit', class: 'primary' }, 'Go on')));
  main.replaceChildren(form);
  input.focus();
}

function unlock() {
  isLocked = false;
  document.getElementById('leave').hidden = !hasToken();
  show();
}

onRefused(() => {
  const wasWrong = hasToken();
  setToken(null);
  lock(wasWrong);
});
document.getElementById('leave').addEventListener('click', () => {
  setToken(null);
  location.reload();
});
document.addEventListener('visibilitychange', () => { if (!document.hidden) poll(); });
window.addEventListener('hashchange', async () => {
  await show();
  const heading = main.querySelector('h1');
  (heading ?? main).focus();
});
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
unlock();

// Reports that were written, who signed them, and the runs behind them.
import { get, openReport } from './client.js';
import { announce, badge, el, fill, table, time } from './dom.js';
import { count, moment } from './format.js';

const verdict = (status) => badge({ clean: 'good', breaks: 'warn', incomplete: 'bad' }[status] ?? 'dim', status);
const signature = (one) => el('li', {}, el('b', {}, one.role), ` ${one.by}, `, time(one.at), one.note ? ` – ${one.note}` : '');
/** What differs between the files of a report: its names begin alike. */
export const short = (name) => {
  const rest = name.replace(/^.*_r\d+[_.-]?/, '');
  return rest.includes('.') ? rest : rest.toUpperCase();
};

function report(one) {
  const id = `report-${one.label}-${one.revision}-${one.zone}`;
  const open = (file) => openReport(one.label, file, one.revision, one.zone).catch((error) => announce(error.message));
  const manifest = one.files.find((name) => name.endsWith('manifest.json')) ?? 'manifest.json';
  return el('article', { class: 'card', 'aria-labelledby': id },
    el('h3', { id }, `${one.label} `, el('small', {}, `revision ${one.revision}, ${one.zone}`), ' ', verdict(one.status)),
    el('p', { class: 'dim' }, `From ${moment(one.from)} to ${moment(one.to)}, which is excluded; as of `, time(one.asOf), `, run ${one.run}`),
    one.problem ? el('p', { class: 'notice bad' }, one.problem) : null,
    one.files.length ? el('p', { class: 'files' }, one.files.map((name) => el('button', { type: 'button', class: name.endsWith('.html') ? 'primary' : 'plain', title: name, onclick: () => open(name) },
      name.endsWith('.html') ? 'Open the page' : name === manifest ? 'Manifest' : short(name)))) : null,
    one.signatures.length ? el('ul', { class: 'signatures' }, one.signatures.map(signature)) : el('p', { class: 'dim' }, 'Nobody has signed it yet.'),
    el('details', {}, el('summary', {}, 'Verify it'), el('p', {}, 'Hashes and adds everything again, and names the first thing that differs:'),
      el('pre', { tabindex: 0 }, `tallypost verify ${one.directory}/${manifest}`), el('p', { class: 'dim' }, 'SHA-256 of the manifest'), el('pre', { tabindex: 0 }, one.manifestSha256)));
}

/** Both lists. */
export async function showReports(place) {
  const [{ reports }, { runs }] = await Promise.all([get('/v1/reports?limit=50'), get('/v1/runs?limit=20')]);
  const worst = (breaks) => ['critical', 'high', 'medium', 'low'].filter((name) => breaks[name]).map((name) => `${count(breaks[name])} ${name}`).join(', ') || 'none';
  fill(place, el('h1', { tabindex: -1 }, 'Reports'),
    reports.length ? el('div', { class: 'cards' }, reports.map(report)) : el('p', { class: 'empty' }, 'No report has been written yet: ', el('code', {}, 'tallypost reconcile'), ' writes one.'),
    el('section', { 'aria-labelledby': 'runs' }, el('h2', { id: 'runs' }, 'Last runs'), table('Runs', [{ title: 'Run', isNumber: true }, { title: 'As of' }, { title: 'Verdict' }, { title: 'Breaks' }, { title: 'Made by' }],
      runs.map((run) => [count(run.run), time(run.asOf), verdict(run.status), worst(run.breaks), run.madeBy]), 'Reconciliation has not run yet.')));
}

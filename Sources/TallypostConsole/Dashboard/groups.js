// Groups: looked up by their key.
import { address, getRows } from './client.js';
import { el, facts, field, fill, statusBadge, time, trouble } from './dom.js';
import { count, plain } from './format.js';
import { taskTable } from './tasks.js';

/** The form, and the group that the address names. */
export async function showGroup(place, to) {
  const form = el('form', { class: 'filter', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    location.hash = `#/groups/${encodeURIComponent(form.elements.key.value)}`;
  } }, field('Key of the group', el('input', { id: 'key', name: 'key', required: true, value: to.id ?? '', autocomplete: 'off' })), el('button', { type: 'submit', class: 'primary' }, 'Show'));
  const result = el('div', {});
  fill(place, el('h1', { tabindex: -1 }, 'Groups'), el('div', { class: 'bar' }, form), result);
  if (!to.id) {
    fill(result, el('p', { class: 'empty' }, 'A group is a row of task_groups and the tasks that carry its key. Type a key to see how far it is.'));
    return;
  }
  try { await page(result, to.id, '', []); } catch (error) { fill(result, trouble(error)); }
}

async function page(place, key, cursor, before) {
  const answer = await getRows(address(`/v1/groups/${encodeURIComponent(key)}`, { limit: 100, cursor }));
  const members = [...before, ...answer.members];
  const { group } = answer;
  const all = Object.values(answer.counts).reduce((total, number) => total + number, 0);
  const more = el('button', { type: 'button', class: 'plain', 'data-key': 'more', onclick: () => page(place, key, plain(answer.next), members).catch((error) => place.append(trouble(error))) }, 'More');
  fill(place, el('h2', {}, plain(group.key), ' ', statusBadge(plain(group.status) || 'open')),
    facts([['Members', count(all)], ...Object.entries(answer.counts).map(([status, number]) => [status, count(number)]),
      ['Made', group.created_at ? time(group.created_at) : null], ['Ended', group.ended_at ? time(group.ended_at) : null],
      ['Fails fast', group.fail_fast ? 'yes' : 'no'], ['Tells', group.on_complete_url ? el('code', {}, plain(group.on_complete_url)) : null]]),
    taskTable(members, 'It has no members.'), answer.next ? el('div', { class: 'buttons start' }, more) : null);
}

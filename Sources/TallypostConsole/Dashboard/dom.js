// Makes elements. Text of rows goes in as text, never as markup.
import { lastName, setName } from './client.js';
import { moment, relative } from './format.js';

/** An element: attributes, `on…` listeners, then children; strings become text. What is null or false is left out. */
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) made.addEventListener(name.slice(2), value);
    else if (name === 'value') made.value = value;
    else made.setAttribute(name, value === true ? '' : value);
  }
  made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return made;
}

/** Puts new content in, and the focus back to what has the same data-key. */
export function fill(place, ...children) {
  const key = place.contains(document.activeElement) ? document.activeElement.dataset.key : undefined;
  place.replaceChildren(...children.flat().filter(Boolean));
  if (key) place.querySelector(`[data-key="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}

/** A time: how long ago, and exactly when on demand. */
export const time = (iso) => (iso ? el('time', { datetime: iso, title: moment(iso) }, relative(iso)) : '–');

/** A word with a colour; the word says it all without. */
export const badge = (kind, text) => el('span', { class: `badge ${kind}` }, text);

/** The colour of a task's status. */
export const statusBadge = (status) => badge({
  completed: 'good', failed: 'bad', timeout: 'bad', cancelled: 'dim', processing: 'busy', waiting: 'busy', blocked: 'warn',
}[status] ?? 'dim', status);

/** A table. Columns are {title, isNumber}; rows are lists of cells. On a narrow screen each row becomes a card. */
export function table(caption, columns, rows, empty) {
  if (rows.length === 0) return el('p', { class: 'empty' }, empty);
  // What says nothing needs no line of its own on a card.
  const kind = (content, index) => [columns[index].isNumber ? 'number' : '', ['0', '0/s', '–'].includes(content) ? 'nil' : ''].join(' ').trim() || null;
  const cell = (content, index) => el('td', { role: 'cell', 'data-label': columns[index].title, class: kind(content, index) }, el('span', {}, content));
  return el('table', { role: 'table' },
    el('caption', { class: 'hidden' }, caption),
    el('thead', { role: 'rowgroup' }, el('tr', { role: 'row' }, columns.map((column) =>
      el('th', { role: 'columnheader', scope: 'col', class: column.isNumber ? 'number' : null }, column.title)))),
    el('tbody', { role: 'rowgroup' }, rows.map((cells) => el('tr', { role: 'row' }, cells.map(cell)))));
}

/** Names and values. */
export const facts = (pairs) => el('dl', { class: 'facts' }, pairs.filter(([, value]) => value !== null && value !== undefined && value !== '')
  .map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, value))));

/** A field with its label. `input` has an id. */
export const field = (label, input, hint) => el('div', { class: 'field' }, el('label', { for: input.id }, label), input,
  hint ? el('small', { id: `${input.id}-hint` }, hint) : null);

/** A choice of words; the first may be {value: '', text: 'any'}. */
export const choice = (id, options, chosen) => el('select', { id, name: id, value: null },
  options.map((option) => el('option', { value: option.value ?? option, selected: (option.value ?? option) === chosen }, option.text ?? option)));

/** What went wrong, told to those who see and those who listen. */
export const trouble = (error) => el('p', { class: 'notice bad', role: 'alert' }, error.message);

/**
 * Asks for confirmation, with who does it and why, and does it; what goes wrong is told in the dialog, which stays.
 * `fields` come before those two: elements made by field(). `act` gets the form's values by name.
 */
export function confirm({ title, text, fields = [], reason = 'Why', button, isDangerous = false, act }) {
  return new Promise((resolve) => {
    const who = el('input', { id: 'who', name: 'who', required: true, maxlength: 256, autocomplete: 'name', value: lastName() });
    const why = el('input', { id: 'why', name: 'why', required: true, maxlength: 4096, autocomplete: 'off' });
    const message = el('div', { 'aria-live': 'assertive' });
    const submit = el('button', { type: 'submit', class: isDangerous ? 'danger' : 'primary' }, button);
    const form = el('form', { novalidate: false },
      el('h2', { id: 'dialog-title' }, title), text ? el('div', { class: 'prose' }, text) : null,
      fields, field('Who', who, 'Your name; it is kept with the change.'), field(reason, why), message,
      el('div', { class: 'buttons' }, el('button', { type: 'button', class: 'plain', onclick: () => dialog.close() }, 'Leave it'), submit));
    const dialog = el('dialog', { 'aria-labelledby': 'dialog-title' }, form);
    let result = null;
    form.addEventListener('submit', async (event) => {
      event.preventDefault();
      submit.disabled = true;
      try {
        const values = Object.fromEntries(new FormData(form));
        setName(values.who);
        result = await act(values) ?? true;
        dialog.close();
      } catch (error) {
        message.replaceChildren(trouble(error));
        submit.disabled = false;
      }
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(result);
    });
    document.getElementById('dialogs').append(dialog);
    dialog.showModal();
    (fields.length ? form.querySelector('input, select') : lastName() ? why : who).focus();
  });
}

/** Says something once, on top, to everybody. */
export function announce(text) {
  const place = document.getElementById('dialogs');
  const note = el('p', { class: 'toast', role: 'status' }, text);
  place.append(note);
  setTimeout(() => note.remove(), 6_000);
}

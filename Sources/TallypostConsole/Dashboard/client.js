// Asks the relay. The token is kept for this tab alone, and never stands in a URL.
import { parseExact } from './format.js';

const tokenKey = 'tallypost.token';
const nameKey = 'tallypost.name';

/** An answer that is no success, or none at all (status 0). */
export class ApiError extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

let whenRefused = () => {};

/** Called when the relay wants a token, or another one. */
export function onRefused(callback) { whenRefused = callback; }

export const hasToken = () => sessionStorage.getItem(tokenKey) !== null;
export function setToken(token) {
  if (token) sessionStorage.setItem(tokenKey, token); else sessionStorage.removeItem(tokenKey);
}

/** Who acts: remembered so that it need not be typed for each change. */
export const lastName = () => sessionStorage.getItem(nameKey) ?? '';
export function setName(name) { sessionStorage.setItem(nameKey, name); }

async function ask(method, path, body, read = JSON.parse) {
  const headers = {};
  const token = sessionStorage.getItem(tokenKey);
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  if (method !== 'GET') headers['Content-Type'] = 'application/json';
  let response;
  try {
    response = await fetch(path, {
      method, headers, body: method === 'GET' ? undefined : JSON.stringify(body ?? {}), cache: 'no-store', credentials: 'omit',
      redirect: 'error', signal: AbortSignal.timeout(method === 'GET' ? 15_000 : 120_000),
    });
  } catch (error) {
    throw new ApiError(0, error.name === 'TimeoutError' ? 'The relay does not answer in time.' : 'The relay cannot be reached.');
  }
  const text = await response.text().catch(() => '');
  let answer = null;
  try { answer = read(text); } catch { /* Not ours, then: a proxy's page, say. */ }
  if (response.ok && answer !== null) return answer;
  if (response.status === 401) whenRefused();
  throw new ApiError(response.status, answer?.detail ?? `The answer was ${response.status}.`);
}

export const get = (path) => ask('GET', path);
/** The same for rows, whose JSON is shown digit for digit. */
export const getRows = (path) => ask('GET', path, null, parseExact);
export const post = (path, body) => ask('POST', path, body);

/** `/v1/tasks?status=failed`, of what has a value. */
export function address(path, query) {
  const set = Object.entries(query).filter(([, value]) => value !== '' && value !== null && value !== undefined);
  return set.length ? `${path}?${new URLSearchParams(set)}` : path;
}

/** Opens a file of a report in a tab of its own, or saves it. A tab cannot send the token: it brings a ticket instead. */
export async function openReport(label, file, revision, zone) {
  const path = `/v1/reports/${encodeURIComponent(label)}/${encodeURIComponent(file)}`;
  const query = { revision, zone };
  // Opened at once, while the click still counts, and without a way back to this page.
  const tab = window.open('about:blank', '_blank');
  try {
    if (hasToken()) query.ticket = (await post(address(`${path}/ticket`, { revision, zone }))).ticket;
  } catch (error) {
    tab?.close();
    throw error;
  }
  if (!tab) throw new ApiError(0, 'The browser did not open a tab; allow it for this page.');
  tab.opener = null;
  tab.location.replace(address(path, query));
}

// How figures are written. Nothing here touches the page.

/** A number that a double cannot hold as it was written is kept as text behind this mark. */
const mark = '\u0000';

/** JSON.parse, but no digit is lost: 12345678901234567890 and 1.10 stay what they are. */
export function parseExact(text) {
  return JSON.parse(text.replace(/"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g, (token) =>
    token[0] === '"' || String(Number(token)) === token ? token : JSON.stringify(mark + token)));
}

/** What a person reads of a value that parseExact read. */
export function plain(value) {
  if (value === null || value === undefined) return '';
  if (typeof value === 'string') return value.startsWith(mark) ? value.slice(1) : value;
  return typeof value === 'object' ? pretty(value) : String(value);
}

/** JSON over several lines, numbers as they came. */
export function pretty(value, indent = '') {
  if (typeof value === 'string') return value.startsWith(mark) ? value.slice(1) : JSON.stringify(value);
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  const inner = indent + '  ';
  const isList = Array.isArray(value);
  const parts = isList ? value.map((one) => inner + pretty(one, inner))
    : Object.entries(value).map(([name, one]) => `${inner}${JSON.stringify(name)}: ${pretty(one, inner)}`);
  if (parts.length === 0) return isList ? '[]' : '{}';
  return `${isList ? '[' : '{'}\n${parts.join(',\n')}\n${indent}${isList ? ']' : '}'}`;
}

const whole = new Intl.NumberFormat('en');
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });

/** 12,345. */
export const count = (number) => whole.format(number ?? 0);

/** 12.5/s; less than ten a second keep a digit. */
export const rate = (perSecond) => `${perSecond < 10 ? fine.format(perSecond) : whole.format(Math.round(perSecond))}/s`;

/** 850 ms, 42 s, 3 min 5 s, 2 h 10 min, 3 d 4 h. */
export function duration(seconds) {
  const span = Math.max(0, seconds);
  if (span < 1) return span === 0 ? '0 s' : `${Math.round(span * 1000)} ms`;
  const rounded = Math.floor(span);
  const pairs = [[86400, 'd', 3600, 'h'], [3600, 'h', 60, 'min'], [60, 'min', 1, 's']];
  for (const [size, unit, smaller, smallUnit] of pairs) {
    if (rounded < size) continue;
    const rest = Math.floor((rounded % size) / smaller);
    return `${Math.floor(rounded / size)} ${unit}${rest ? ` ${rest} ${smallUnit}` : ''}`;
  }
  return `${rounded} s`;
}

/** 2026-11-21 14:05:03 UTC. */
export const moment = (iso) => (iso ? `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC` : '');

/** "3 min 5 s ago", "in 2 h". */
export function relative(iso, now = Date.now()) {
  const seconds = (now - Date.parse(iso)) / 1000;
  if (Number.isNaN(seconds)) return iso;
  if (Math.abs(seconds) < 1) return 'now';
  return seconds >= 0 ? `${duration(seconds)} ago` : `in ${duration(-seconds)}`;
}

/** ISO 4217 currencies that have not two decimals. */
const exponents = new Map([
  ...'BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF'.split(' ').map((code) => [code, 0]),
  ...'BHD IQD JOD KWD LYD OMR TND'.split(' ').map((code) => [code, 3]), ['CLF', 4], ['UYW', 4],
]);

/** "-1,234.50 EUR" from minor units as text: digits are moved, never computed. */
export function money(minor, currency) {
  if (minor === null || minor === undefined || minor === '') return '';
  const text = plain(minor);
  const sign = text.startsWith('-') ? '−' : '';
  const exponent = exponents.get(currency) ?? 2;
  const digits = text.replace('-', '').padStart(exponent + 1, '0');
  const units = digits.slice(0, digits.length - exponent).replace(/\B(?=(\d{3})+$)/g, ',');
  const rest = exponent ? `.${digits.slice(-exponent)}` : '';
  return `${sign}${units}${rest} ${currency ?? ''}`.trim();
}

/** stale_pending → stale pending. */
export const words = (name) => String(name ?? '').replaceAll('_', ' ');

/** Ends of tasks: nothing more happens to one by itself. */
export const isFinal = (status) => ['completed', 'failed', 'timeout', 'cancelled'].includes(status);
/** What retry takes. */
export const canRetry = isFinal;
/** What cancel takes. */
export const canCancel = (status) => ['blocked', 'pending', 'waiting'].includes(status);

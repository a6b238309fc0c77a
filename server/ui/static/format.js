// Numbers, sizes and times, as people read them.

import { isObject } from './json.js';

// bytes writes a size: 36 KiB.
export function bytes(n) {
  if (n === undefined || n === null) return '';
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i > 0 && n < 10 ? n.toFixed(1) : Math.round(n)} ${units[i]}`;
}

// count writes a whole number with its thousands parted.
export const count = (n) => n.toLocaleString('en').replaceAll(',', '\u202f');

// many writes a number of things: 1 row, 2 rows.
export const many = (n, thing) => `${count(n)} ${thing}${n === 1 ? '' : 's'}`;

// duration writes seconds: 12 ms, 3.4 s, 2 min 5 s, 3 h 20 min.
export function duration(s) {
  if (s > 0 && s < 0.0005) return '< 1 ms';
  if (s < 1) return `${Math.round(s * 1000)} ms`;
  if (s < 60) return `${s < 10 ? s.toFixed(1) : Math.round(s)} s`;
  if (s < 3600) return parts(s / 60, 'min', s % 60, 's');
  if (s < 86_400) return parts(s / 3600, 'h', (s % 3600) / 60, 'min');
  return parts(s / 86_400, 'd', (s % 86_400) / 3600, 'h');
}

function parts(large, largeUnit, small, smallUnit) {
  const rest = Math.floor(small);
  return `${Math.floor(large)} ${largeUnit}${rest ? ` ${rest} ${smallUnit}` : ''}`;
}

// between is the seconds from one time to another.
export const between = (from, to) => (new Date(to) - new Date(from)) / 1000;

// time writes a moment in the reader's own zone: the time alone if it is today.
export function time(t) {
  if (!t) return '';
  const d = new Date(t);
  const clock = d.toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit' });
  if (d.toDateString() === new Date().toDateString()) return clock;
  return `${d.toLocaleDateString(undefined, { year: 'numeric', month: 'short', day: 'numeric' })}, ${clock}`;
}

// brief writes a value short enough for a cell of a table. An object within a list
// is known by its values: Adelie 152, Gentoo 124.
export function brief(v) {
  if (v === null || v === undefined) return '–';
  if (Array.isArray(v)) return v.map((x) => (isObject(x) || Array.isArray(x) ? Object.values(x).map(brief).join(' ') : brief(x))).join(', ');
  if (isObject(v)) return Object.entries(v).map(([k, x]) => `${k}: ${brief(x)}`).join(', ');
  if (typeof v === 'number' && !Number.isInteger(v)) return String(Number(v.toPrecision(7)));
  return String(v);
}

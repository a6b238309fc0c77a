// Sizes and times as people write them, without a loss: 256 MiB, 30 s.

import { compare, number } from './json.js';

const sizes = [['B', 1n], ['KiB', 1n << 10n], ['MiB', 1n << 20n], ['GiB', 1n << 30n], ['TiB', 1n << 40n], ['kB', 1000n], ['MB', 1000n ** 2n], ['GB', 1000n ** 3n], ['TB', 1000n ** 4n]];
const binary = sizes.slice(0, 5);
const times = [['ms', 0.001], ['s', 1], ['min', 60], ['h', 3600], ['d', 86_400]];

// Each kind reads a text, or throws what is wrong with it in words, and writes a value.
export const size = {
  hint: 'Such as 256 MiB.',
  read: (text) => {
    const [n, unit] = split(text, 'a size such as 256 MiB');
    if (!unit) throw `${text}: say of what, such as ${text} MiB, or ${text} B for bytes`;
    const factor = find(sizes, unit, 'B, KiB, MiB, GiB or TiB');
    const [whole, part = ''] = n.split('.');
    const scale = 10n ** BigInt(part.length);
    const bytes = BigInt(whole + part) * factor;
    if (bytes % scale) throw `${text}: that is no whole number of bytes`;
    return number(String(bytes / scale));
  },
  write: (bytes) => {
    const n = BigInt(String(bytes));
    const [unit, factor] = binary.findLast(([, f]) => n !== 0n && n % f === 0n) ?? binary[0];
    return `${n / factor} ${unit}`;
  },
};

export const time = {
  hint: 'Such as 30 s, 10 min or 2 h.',
  read: (text) => {
    const [n, unit = 's'] = split(text, 'a time such as 30 s');
    return round(Number(n) * find(times, unit, 'ms, s, min, h or d'));
  },
  write: (seconds) => {
    const s = Number(seconds);
    const [unit, factor] = times.findLast(([, f]) => Number.isInteger(round(s / f)) && s >= f) ?? times[1];
    return `${round(s / factor)} ${unit}`;
  },
};

export const whole = {
  hint: '',
  read: (text) => {
    const digits = text.replaceAll(/[\s\u202f_]/g, '');
    if (!/^\d+$/.test(digits)) throw `${text}: want a whole number`;
    return number(digits.replace(/^0+(?=\d)/, ''));
  },
  write: String,
};

export const decimal = {
  hint: '',
  read: (text) => {
    if (!/^\d+(\.\d+)?$/.test(text)) throw `${text}: want a number`;
    return Number(text);
  },
  write: String,
};

// within refuses a value that is not between two others, either of which may be missing.
export function within(value, low, high, write = String) {
  if (low !== undefined && compare(value, low) < 0) throw `${write(value)}: want at least ${write(low)}`;
  if (high !== undefined && compare(value, high) > 0) throw `${write(value)}: want at most ${write(high)}`;
  return value;
}

function split(text, want) {
  const [, n, unit] = text.trim().match(/^(\d+(?:\.\d+)?)\s*([a-z]*)$/i) ?? [];
  if (n === undefined) throw `${text}: want ${want}`;
  return [n, unit || undefined];
}

function find(units, name, want) {
  const unit = units.find(([u]) => u === name) ?? units.find(([u]) => u.toLowerCase() === name.toLowerCase());
  if (!unit) throw `${name} is no unit here: want ${want}`;
  return unit[1];
}

// round takes away what binary fractions add: 0.1 + 0.2.
const round = (n) => Number(n.toPrecision(15));

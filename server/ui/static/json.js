// Reads and writes JSON without a change to any number. A number of JavaScript has 53
// bits; one that does not fit is kept as the digits that were sent.

// Exact is such a number. In sums it is the nearest number of JavaScript.
export class Exact {
  constructor(source) { this.source = source; }
  toString() { return this.source; }
  valueOf() { return Number(this.source); }
}

// number makes a value of a number's text in JSON: a number, if that is the same.
export function number(source) {
  const n = Number(source);
  return same(source, String(n)) ? n : new Exact(source);
}

// same reports whether two texts are the same number.
const same = (a, b) => a === b || plain(a) === plain(b);

// plain writes a number as its sign, its digits without zeros around them, and their exponent.
function plain(text) {
  const [, sign, whole, part = '', power = '0'] = text.match(/^(-?)(\d+)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/) ?? [];
  if (whole === undefined) return text; // Infinity
  const digits = (whole + part).replace(/^0+/, '');
  let end = digits.length;
  while (digits[end - 1] === '0') end--;
  if (end === 0) return `${sign}0`;
  return `${sign}${digits.slice(0, end)}e${BigInt(power) - BigInt(part.length) + BigInt(digits.length - end)}`;
}

// parse reads JSON.
export const parse = (text) => JSON.parse(text, (_, v, { source } = {}) => (typeof v === 'number' && source !== undefined ? number(source) : v));

// write is JSON of a value, indented by so many spaces if a number is given.
export const write = (value, indent) => JSON.stringify(value, (_, v) => {
  if (v instanceof Exact) return JSON.rawJSON(v.source);
  if (typeof v === 'number' && !Number.isFinite(v)) throw new RangeError(`JSON has no number for ${v}`);
  return v;
}, indent);

// equal reports whether two values are the same JSON, whatever the order of their members.
export function equal(a, b) {
  if (isObject(a) && isObject(b)) {
    const names = Object.keys(a);
    return names.length === Object.keys(b).length && names.every((n) => Object.hasOwn(b, n) && equal(a[n], b[n]));
  }
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((v, i) => equal(v, b[i]));
  if (isNumber(a) && isNumber(b)) return same(String(a), String(b));
  return a === b;
}

// own is a member of an object, if it has one of that name itself.
export const own = (object, name) => (object && Object.hasOwn(object, name) ? object[name] : undefined);

export const isNumber = (v) => typeof v === 'number' || v instanceof Exact;

export const isObject = (v) => v !== null && typeof v === 'object' && !Array.isArray(v) && !(v instanceof Exact);

// compare is below, at or above 0 as a number is below, at or above another.
export function compare(a, b) {
  if (a instanceof Exact || b instanceof Exact) {
    const [x, y] = [String(a), String(b)];
    if (same(x, y)) return 0;
    if (/^-?\d+$/.test(x) && /^-?\d+$/.test(y)) return BigInt(x) < BigInt(y) ? -1 : 1;
  }
  return Number(a) - Number(b);
}

// Makes the control for a value from its JSON Schema: {control, read, write}. read makes a
// value of what is in the control, undefined of nothing, or throws what is wrong with it in
// words. A value that no control could show as it is, is shown as JSON.

import { h } from './dom.js';
import { count } from './format.js';
import { formats } from './formats.js';
import { compare, equal, isNumber, number, own, parse, write } from './json.js';

export function controlOf(schema, value, required) {
  const s = schema;
  if (Array.isArray(s.enum)) return choice(s.enum, value, required);
  if (Object.hasOwn(s, 'const')) return choice([s.const], value, required);
  const make = simple[typeOf(s)];
  if (make && (value === undefined || fits(s, value))) return make(s, value, required);
  return json(s, value);
}

// typeOf is a schema's type, if it is one.
const typeOf = (s) => (Array.isArray(s.type) && s.type.length === 1 ? s.type[0] : s.type);

const simple = { boolean, integer: numeral, number: numeral, string: text, array: lines };

// fits reports whether a value is of the type, so that the type's control can show it.
function fits(s, value) {
  switch (typeOf(s)) {
    case 'boolean': return typeof value === 'boolean';
    case 'integer': case 'number': return isNumber(value);
    case 'string': return typeof value === 'string';
    case 'array': return Array.isArray(value);
  }
  return false;
}

// choice is one of some values, each shown as what it is.
function choice(values, value, required) {
  const all = value === undefined || values.some((v) => equal(v, value)) ? values : [...values, value];
  const texts = all.map((v) => (typeof v === 'string' ? v : write(v)));
  const label = (v, i) => (typeof v === 'string' && texts.indexOf(v) === texts.lastIndexOf(v) && v !== '' ? v : write(v) ?? texts[i]);
  const control = h('select', {}, value === undefined && h('option', { value: '' }, required ? 'choose one' : 'not set'),
    all.map((v, i) => h('option', { value: i, selected: value !== undefined && equal(v, value) }, label(v, i))));
  return { control, read: () => (control.value === '' ? undefined : all[control.value]) };
}

// boolean is a box, or, as long as it may be neither, a choice.
function boolean(s, value, required) {
  if (value === undefined) {
    const control = h('select', {}, h('option', { value: '' }, required ? 'choose one' : 'not set'), h('option', { value: 'true' }, 'yes'), h('option', { value: 'false' }, 'no'));
    return { control, read: () => (control.value === '' ? undefined : control.value === 'true') };
  }
  const control = h('input', { type: 'checkbox', checked: value });
  return { control, read: () => control.checked };
}

function numeral(s, value) {
  const control = h('input', { inputmode: typeOf(s) === 'integer' ? 'numeric' : 'decimal', autocomplete: 'off', placeholder: shownDefault(s) });
  control.value = value === undefined ? '' : String(value);
  return { control, read: () => (control.value.trim() === '' ? undefined : numberOf(s, control.value)) };
}

const shownDefault = (s) => (Object.hasOwn(s, 'default') && !isSecret(s) ? write(s.default) : undefined);

// numberOf reads a number as it was typed: all its digits count.
export function numberOf(s, typed) {
  const t = typed.trim();
  const is = (words) => { throw `${t}: ${words}`; };
  const text = t.replace(/^\+/, '').replace(/^(-?)\./, '$10.').replace(/^(-?)0+(?=\d)/, '$1').replace(/\.(?=$|e)/i, '');
  if (typeOf(s) === 'integer' && !/^-?\d+$/.test(text)) is('want a whole number');
  if (/^-?\d+,\d+$/.test(t)) is(`want a point in a number: ${t.replace(',', '.')}`);
  if (!/^-?\d+(\.\d+)?(e[+-]?\d+)?$/i.test(text)) is('want a number');
  const n = number(text);
  if (s.minimum !== undefined && compare(n, s.minimum) < 0) is(`want at least ${s.minimum}`);
  if (s.maximum !== undefined && compare(n, s.maximum) > 0) is(`want at most ${s.maximum}`);
  if (isNumber(s.exclusiveMinimum) && compare(n, s.exclusiveMinimum) <= 0) is(`want more than ${s.exclusiveMinimum}`);
  if (isNumber(s.exclusiveMaximum) && compare(n, s.exclusiveMaximum) >= 0) is(`want less than ${s.exclusiveMaximum}`);
  if (!isMultiple(text, s.multipleOf)) is(`want a multiple of ${s.multipleOf}`);
  return n;
}

// isMultiple leaves fractions to the server.
function isMultiple(text, of) {
  if (of === undefined || ![text, String(of)].every((x) => /^-?\d+$/.test(x))) return true;
  return BigInt(text) % BigInt(String(of)) === 0n;
}

function text(s, value) {
  const long = /[\r\n]/.test(value) || s.maxLength > 200;
  const control = long ? h('textarea', { rows: 3 }) : h('input', { type: s.writeOnly ? 'password' : 'text' });
  control.autocomplete = s.writeOnly ? 'new-password' : 'off';
  control.placeholder = own(formats, s.format)?.[0].replace(/^.* such as /, '') ?? '';
  control.value = value ?? '';
  // Who empties what was filled wants it empty, and not what it was.
  return { control, read: () => (control.value === '' && !value ? undefined : textOf(s, control.value)) };
}

function textOf(s, t) {
  const length = [...t].length;
  const [want, check] = own(formats, s.format) ?? [];
  if (length < s.minLength) throw `It has ${count(length)} characters: want at least ${count(s.minLength)}`;
  if (length > s.maxLength) throw `It has ${count(length)} characters: want at most ${count(s.maxLength)}`;
  if (check && !check(t)) throw `${t}: want ${want}`;
  return t;
}

// lines is a list of plain values, one a line, so that a value may have commas.
function lines(s, value) {
  const items = s.items ?? {};
  const read = { integer: numberOf, number: numberOf, string: textOf, boolean: yesOrNo }[typeOf(items)];
  const listed = (v) => fits(items, v) && !/[\r\n]|^\s*$/.test(String(v));
  if (!read || items.enum || items.writeOnly || !(value ?? []).every(listed)) return json(s, value);
  const control = h('textarea', { rows: 2, placeholder: 'one a line' });
  control.value = (value ?? []).join('\n');
  const each = (t, i) => {
    try {
      return read(items, t);
    } catch (wrong) { throw `line ${i + 1}: ${wrong}`; }
  };
  return {
    control,
    read: () => {
      const values = control.value.split('\n').map((t, i) => (t.trim() === '' ? undefined : each(t, i))).filter((v) => v !== undefined);
      if (values.length === 0 && !value?.length) return undefined;
      if (values.length < s.minItems) throw `There are ${values.length}: want at least ${s.minItems}`;
      if (values.length > s.maxItems) throw `There are ${values.length}: want at most ${s.maxItems}`;
      return values;
    },
  };
}

function yesOrNo(_, t) {
  const word = own({ true: true, yes: true, false: false, no: false }, t.trim().toLowerCase());
  if (word === undefined) throw `${t}: want true or false`;
  return word;
}

// json is for what has no control of its own.
function json(s, value) {
  const control = h('textarea', { rows: 3, class: isSecret(s) && 'secret', spellcheck: 'false', placeholder: `JSON${shownDefault(s) === undefined ? '' : `; if empty: ${shownDefault(s)}`}` });
  control.value = value === undefined ? '' : write(value);
  return {
    control,
    read: () => {
      if (control.value.trim() === '') return undefined;
      try {
        return parse(control.value);
      } catch (err) { throw `This is not JSON: ${err.message}`; }
    },
  };
}

// isSecret reports whether a value, or a part of it, is not to be shown.
export function isSecret(schema, depth = 0) {
  if (schema === null || typeof schema !== 'object' || depth > 20) return false;
  if (schema.writeOnly === true) return true;
  const { properties, items, anyOf, oneOf, allOf, additionalProperties } = schema;
  return [...Object.values(properties ?? {}), items, additionalProperties, ...[anyOf, oneOf, allOf].flat()].some((part) => isSecret(part, depth + 1));
}

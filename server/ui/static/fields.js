// Fields of a form: a control with its label, its hint, and a place for what is
// wrong with it.

import { controlOf, isSecret } from './controls.js';
import { h } from './dom.js';
import { count } from './format.js';
import { formats } from './formats.js';
import { isNumber, isObject, own } from './json.js';

// field puts a control in its field. path is where the server reports what is wrong with
// the value. read makes a value of what is in the control, undefined of nothing, or throws
// what is wrong with it. value is what the control shows at first: as long as it is not
// touched, that is what the field has, whatever the control can make of it.
export function field({ path, name = path, title, hint, control, read, value, required }) {
  const id = idOf(path);
  const wrong = h('p', { class: 'wrong', id: `${id}-wrong`, role: 'alert' });
  control.id = id;
  control.name = path;
  control.setAttribute('aria-describedby', `${id}-hint ${id}-wrong`);
  if (required) control.setAttribute('aria-required', 'true');
  const box = control.type === 'checkbox';
  const state = () => (box ? control.checked : control.value);
  const first = state();
  const label = h('label', { for: id }, title, required && h('span', { class: 'must' }, ' required'));
  const say = (text) => {
    wrong.textContent = text;
    control.setAttribute('aria-invalid', String(text !== ''));
  };
  const has = () => (state() === first ? value : read());
  // check says what is wrong, and reports whether nothing is.
  const check = () => {
    try {
      say(has() === undefined && required ? 'This is required.' : '');
    } catch (text) { say(typeof text === 'string' ? text : text.message); }
    return wrong.textContent === '';
  };
  // What was wrong is looked at as it is typed. Nothing is said before the form is sent: a
  // line that came when the button is pressed would move the button away.
  control.addEventListener('input', () => { if (wrong.textContent) check(); });
  return {
    name,
    path,
    read: has,
    check,
    say,
    is: (at) => [path, `body.${path}`].some((p) => at === p || ['/', '.', '['].some((next) => at.startsWith(p + next))),
    focus: () => control.focus(),
    node: h('div', { class: box ? 'field check' : 'field' }, box ? [control, label] : [label, control],
      h('p', { class: 'hint', id: `${id}-hint` }, hint), wrong),
  };
}

const ids = new Map(); // id → the path that has it

// idOf makes a path an id. Paths that look alike have different ones.
function idOf(path) {
  const plainly = `f-${path.replace(/[^a-z0-9]/gi, '-')}`;
  for (let n = 1; ; n++) {
    const id = n > 1 ? `${plainly}-${n}` : plainly;
    if (!ids.has(id)) ids.set(id, path);
    if (ids.get(id) === path) return id;
  }
}

// plain is a field of one line that is not a param. A kind reads and writes it, and has a hint
// of its own.
export function plain(path, title, hint, value, { read, write: shown, hint: units }) {
  const control = h('input', { autocomplete: 'off' });
  control.value = value === undefined ? '' : shown(value);
  return field({ path, title, hint: [hint, units].filter(Boolean).join(' '), control, value, read: () => (control.value.trim() === '' ? undefined : read(control.value.trim())) });
}

// several is a field of lines that is not a param. A kind reads and writes them all.
export function several(path, title, hint, value, { read, write: shown }) {
  const control = h('textarea', { rows: 2, placeholder: 'one a line', spellcheck: 'false' });
  control.value = value === undefined ? '' : shown(value);
  return field({ path, title, hint, control, value, read: () => (control.value.trim() === '' ? undefined : read(control.value.split('\n').filter((line) => line.trim() !== ''))) });
}

// oneOf is a field for one of some values: [value, what it is called].
export function oneOf(path, title, hint, value, choices) {
  const control = h('select', {}, choices.map(([v, text]) => h('option', { value: v, selected: v === (value ?? '') }, text)));
  return field({ path, title, hint, control, value, read: () => control.value || undefined });
}

// param makes the field of a param from its JSON Schema. root is the schema of all params.
export function param(name, schema, required, given, root) {
  const s = resolved(schema, root);
  const unit = s['x-unit'];
  const title = [s.title ?? name, unit && unit.toLowerCase() !== (s.title ?? name).toLowerCase() && h('span', { class: 'unit' }, ` ${unit}`)];
  const hint = [s.description, own(formats, s.format) && `Want ${formats[s.format][0]}.`, range(s)].filter(Boolean).join(' ');
  const value = given === undefined ? own(s, 'default') : given;
  return field({ path: `params.${name}`, name, title, hint, value, required, ...controlOf(s, value, required) });
}

// resolved follows references within the schema.
function resolved(schema, root, depth = 0) {
  if (!isObject(schema)) return {}; // true: anything
  const { $ref, ...rest } = schema;
  if (typeof $ref !== 'string' || !$ref.startsWith('#/') || depth > 10) return schema;
  const to = $ref.slice(2).split('/').map((part) => decodeURIComponent(part).replaceAll('~1', '/').replaceAll('~0', '~'));
  return { ...resolved(to.reduce(own, root), root, depth + 1), ...rest };
}

// inOrder lists the names of params: those that the schema orders first.
export const inOrder = (schema, params) => [...new Set([...(schema['x-order'] ?? []), ...Object.keys(params)])].filter((n) => Object.hasOwn(params, n));

// secretIn reports whether a param is not to be shown.
export const secretIn = (root, name) => isSecret(resolved(own(root.properties, name), root));

// range says between what a number may be, and how long a text or list. Bounds beyond
// 2^53 only say what a type can hold: they are not shown.
export function range(schema) {
  const s = Object.fromEntries(Object.entries(schema).filter(([word, n]) => !(/imum$/i.test(word) && Math.abs(Number(n)) >= 2 ** 53)));
  const shown = (n) => (Number.isInteger(n) ? count(n) : String(n));
  const low = isNumber(s.exclusiveMinimum) ? `more than ${shown(s.exclusiveMinimum)}` : s.minimum !== undefined && `at least ${shown(s.minimum)}`;
  const high = isNumber(s.exclusiveMaximum) ? `less than ${shown(s.exclusiveMaximum)}` : s.maximum !== undefined && `at most ${shown(s.maximum)}`;
  const between = s.minimum !== undefined && s.maximum !== undefined && !isNumber(s.exclusiveMinimum) && !isNumber(s.exclusiveMaximum)
    ? `${shown(s.minimum)} to ${shown(s.maximum)}` : [low, high].filter(Boolean).join(' and ');
  return [between, s.multipleOf !== undefined && `a multiple of ${shown(s.multipleOf)}`].filter(Boolean).map((text) => `${text[0].toUpperCase()}${text.slice(1)}.`).join(' ');
}

// point says each error at its field. It returns the first such field, and the
// problem if there is more to it.
export function point(fields, err) {
  let first;
  const placed = (err.errors ?? []).filter(({ field, message }) => {
    // Of a and a.b the longer is meant by a.b.
    const at = fields.filter((f) => f.is(field)).sort((a, b) => b.path.length - a.path.length)[0];
    at?.say(message);
    first ??= at;
    return at;
  });
  return [first, placed.length > 0 && placed.length === err.errors.length ? undefined : err];
}

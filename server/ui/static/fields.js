// Fields of a form: a control with its label, its hint, and a place for what is
// wrong with it.

import { h } from './dom.js';
import { count } from './format.js';

// field puts a control in its field. path is where the server reports what is
// wrong with the value; read returns the value, undefined for none.
export function field(path, name, title, hint, control, read) {
  const id = `f-${path.replace(/[^a-z0-9]/gi, '-')}`;
  const wrong = h('p', { class: 'wrong', id: `${id}-wrong`, role: 'alert' });
  control.id = id;
  control.setAttribute('aria-describedby', `${id}-hint ${id}-wrong`);
  const check = control.type === 'checkbox';
  const label = h('label', { for: id }, title);
  return {
    name,
    read,
    is: (at) => [path, `body.${path}`].some((p) => at === p || at.startsWith(`${p}/`)),
    say: (text) => {
      wrong.textContent = text;
      control.setAttribute('aria-invalid', String(text !== ''));
    },
    focus: () => control.focus(),
    node: h('div', { class: check ? 'field check' : 'field' }, check ? [control, label] : [label, control],
      h('p', { class: 'hint', id: `${id}-hint` }, hint), wrong),
  };
}

// plain is a field of text that is not a param.
export function plain(path, title, hint, value, attrs) {
  const control = h('input', { autocomplete: 'off', ...attrs, value });
  return field(path, path, title, hint, control, () => control.value.trim());
}

// param makes the field of a param from its JSON Schema.
export function param(name, schema, required, given) {
  const unit = schema['x-unit'];
  const title = [schema.title ?? name, unit && unit.toLowerCase() !== (schema.title ?? name).toLowerCase() && h('span', { class: 'unit' }, ` ${unit}`)].filter(Boolean);
  const hint = [schema.description, range(schema)].filter(Boolean).join(' ');
  const { control, read } = controlOf(schema, given ?? schema.default, required);
  return field(`params.${name}`, name, h('span', {}, title), hint, control, read);
}

// range says between what a number may be.
export function range(s) {
  const low = s.minimum ?? s.exclusiveMinimum;
  const write = (n) => (Number.isInteger(n) ? count(n) : String(n));
  if (low !== undefined && s.maximum !== undefined) return `${s.exclusiveMinimum !== undefined ? 'above ' : ''}${write(low)} to ${write(s.maximum)}.`;
  if (low !== undefined) return s.exclusiveMinimum !== undefined ? `More than ${write(low)}.` : `At least ${write(low)}.`;
  return s.maximum !== undefined ? `At most ${write(s.maximum)}.` : '';
}

// controlOf makes the control for a type, and the function that reads it.
function controlOf(s, value, required) {
  if (s.enum) return choice(s, value, required);
  switch (s.type) {
    case 'boolean': {
      const control = h('input', { type: 'checkbox', checked: value === true });
      return { control, read: () => control.checked };
    }
    case 'integer':
    case 'number': {
      const control = h('input', { type: 'number', step: s.type === 'integer' ? 1 : 'any', min: s.minimum, max: s.maximum, required, value: value ?? '', placeholder: s.default });
      return { control, read: () => (control.value === '' ? undefined : control.valueAsNumber) };
    }
    case 'array': return lines(s, value, required);
    case 'string': {
      const control = h('input', { required, value: value ?? '', pattern: s.pattern, minlength: s.minLength, maxlength: s.maxLength, autocomplete: 'off' });
      return { control, read: () => (control.value === '' ? undefined : control.value) };
    }
  }
  return json(value, required);
}

function choice(s, value, required) {
  const none = !required && s.default === undefined;
  const control = h('select', {}, none && h('option', { value: '' }, 'none'), s.enum.map((v, i) => h('option', { value: i, selected: v === value }, String(v))));
  return { control, read: () => (control.value === '' ? undefined : s.enum[control.value]) };
}

// lines is a list: one value a line, so that a value may have commas.
function lines(s, value, required) {
  const control = h('textarea', { rows: 2, required, placeholder: 'one a line' });
  control.value = (value ?? []).join('\n');
  const of = { integer: Number, number: Number, boolean: (v) => v === 'true' }[s.items?.type] ?? String;
  const read = () => {
    const values = control.value.split('\n').map((v) => v.trim()).filter(Boolean);
    return values.length ? values.map(of) : undefined;
  };
  return { control, read };
}

// json is for what has no control of its own.
function json(value, required) {
  const control = h('textarea', { rows: 3, required, placeholder: 'JSON' });
  control.value = value === undefined ? '' : JSON.stringify(value);
  const check = () => {
    try {
      if (control.value) JSON.parse(control.value);
      control.setCustomValidity('');
    } catch { control.setCustomValidity('This is not JSON.'); }
  };
  control.addEventListener('input', check);
  return { control, read: () => (control.value ? JSON.parse(control.value) : undefined) };
}

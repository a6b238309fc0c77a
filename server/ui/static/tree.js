// Shows JSON as a tree that folds. A list of objects is shown as a table. What is
// folded is not made until it is opened, so that a large value costs little.

import { h, rows } from './dom.js';
import { brief, many } from './format.js';
import { isNumber, isObject } from './json.js';

const atOnce = 100; // members shown before one asks for more
const openTo = 2; // levels that start open

export function tree(value, level = 0) {
  if (isLeaf(value)) return leaf(value);
  const entries = Object.entries(value);
  if (entries.length === 0) return h('span', { class: 'soft' }, Array.isArray(value) ? 'empty list' : 'empty');
  if (isTable(value)) return table(value);
  if (Array.isArray(value) && value.every(isLeaf)) return h('span', { class: 'value' }, value.slice(0, atOnce).map(brief).join(', '), value.length > atOnce && ` … ${many(value.length, 'value')}`);
  return members(entries, level);
}

function members(entries, level) {
  const list = h('ul', { class: 'tree' });
  const show = (from) => {
    list.append(...entries.slice(from, from + atOnce).map(([name, v]) => h('li', {}, member(name, v, level))));
    if (entries.length <= from + atOnce) return;
    const more = h('button', { onclick: () => { more.parentElement.remove(); show(from + atOnce); } }, `${entries.length - from - atOnce} more`);
    list.append(h('li', {}, more));
  };
  show(0);
  return list;
}

function member(name, value, level) {
  if (isLeaf(value) || Object.keys(value).length === 0) {
    return [h('span', { class: 'key' }, name), tree(value)];
  }
  const size = Array.isArray(value) ? many(value.length, 'item') : '';
  const inside = h('div');
  const make = () => { if (!inside.hasChildNodes()) inside.append(tree(value, level + 1)); };
  const open = level + 1 < openTo;
  if (open) make();
  return h('details', { open, ontoggle: make }, h('summary', {}, h('span', { class: 'key' }, name), h('span', { class: 'soft small' }, size)), inside);
}

const isLeaf = (v) => v === null || typeof v !== 'object' || isNumber(v);

const leaf = (v) => h('span', { class: `value ${isNumber(v) ? 'number' : typeof v}` }, v === null ? h('span', { class: 'soft' }, 'null') : String(v));

// isTable reports whether a value is a list of objects: more than one, or they are
// easier to read as such.
function isTable(value) {
  return Array.isArray(value) && value.length > 1 && value.every(isObject);
}

function table(list) {
  const some = list.slice(0, 500);
  const columns = [...new Set(some.flatMap(Object.keys))].slice(0, 50);
  const cell = (v) => {
    const text = v === undefined ? '' : brief(v);
    return h('td', { class: isNumber(v) ? 'num' : null, title: text.length > 30 ? text : null }, text);
  };
  const node = rows(columns, some.map((o) => h('tr', {}, columns.map((c) => cell(o[c])))), 'A list of the result');
  return list.length > some.length ? h('div', {}, node, h('p', { class: 'soft small' }, `the first ${some.length} of ${list.length}`)) : node;
}

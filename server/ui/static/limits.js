// The server's limits, which can be changed while it runs, and who holds which
// lock.

import { get, patch } from './api.js';
import { announce, card, fill, h, problem, rows } from './dom.js';
import { follow, throttled } from './events.js';
import { bytes, duration } from './format.js';

// What can be changed: a number, or a number by name.
const numbers = [
  ['slots', 'Jobs at once', 'in all'],
  ['queue_cap', 'Jobs that may wait', 'in all'],
  ['memory_bytes', 'Memory of all jobs together', 'bytes'],
  ['ageing_seconds', 'Waiting that raises a priority', 'seconds'],
  ['patience_seconds', 'Waiting after which locks and memory are kept for a job', 'seconds'],
];
const maps = [
  ['tenant_slots', 'Jobs at once of a tenant'],
  ['plugin_slots', 'Jobs at once of a plugin'],
  ['tenant_queue_cap', 'Waiting jobs of a tenant'],
  ['tenant_weights', 'Weight of a tenant’s share'],
  ['locks', 'Holders of a named lock'],
];

export async function limits(place) {
  const wrong = h('div');
  const use = h('div');
  const locks = h('div');
  const form = editor(await get('/limits'), wrong);
  const look = async () => {
    const [stats, held] = await Promise.all([get('/stats'), get('/locks')]);
    fill(use, inUse(stats));
    fill(locks, lockTable(held.locks));
  };
  fill(place, h('h1', {}, 'Limits'), use, wrong, form, locks);
  await look();
  return follow('/events', { open: look, job: throttled(look, 500) });
}

const inUse = (s) => h('p', {}, `${s.running} of ${s.slots} slots are in use, ${s.waiting} jobs wait, `,
  `${bytes(s.memory_bytes)} of ${bytes(s.memory_budget_bytes)} of memory are reserved.`);

function editor(now, wrong) {
  const field = (label, hint, input) => h('label', {}, h('span', {}, label, ' ', h('span', { class: 'soft' }, hint)), input);
  const form = h('form', { class: 'card', 'aria-label': 'Limits', onsubmit: async (e) => {
    e.preventDefault();
    try {
      const answer = await patch('/limits', changes(form, now));
      now = answer;
      fill(wrong, h('p', { class: 'card', role: 'status' }, 'The limits are in force.'));
      announce('The limits are in force');
    } catch (err) { fill(wrong, problem(err)); }
  } },
  h('h2', {}, 'In force'),
  h('div', { class: 'fields' },
    numbers.map(([name, label, hint]) => field(label, hint, h('input', { name, value: now[name], inputmode: 'numeric', required: true }))),
    maps.map(([name, label]) => field(label, 'name=number, * for all others', h('input', { name, value: written(now[name]), placeholder: 'no limit' })))),
  h('div', { class: 'actions' }, h('button', { class: 'main' }, 'Change')));
  return form;
}

const written = (map) => Object.entries(map).map(([k, v]) => `${k}=${v}`).join(', ');

// changes is what of the form differs from the limits in force.
function changes(form, now) {
  const changed = {};
  for (const [name] of numbers) {
    const value = Number(form.elements[name].value);
    if (value !== now[name]) changed[name] = value;
  }
  for (const [name] of maps) {
    const text = form.elements[name].value.trim();
    if (text === written(now[name])) continue;
    changed[name] = Object.fromEntries(text.split(',').filter((part) => part.trim()).map((part) => {
      const at = part.lastIndexOf('=');
      const value = Number(part.slice(at + 1));
      if (at < 1 || Number.isNaN(value)) throw { title: 'That cannot be read', detail: `“${part.trim()}”: want name=number` };
      return [part.slice(0, at).trim(), value];
    }));
  }
  return changed;
}

function lockTable(locks) {
  if (!locks.length) return card('Named locks', h('p', { class: 'soft' }, 'No job holds a named lock or waits for one.'));
  return card('Named locks', rows(['Lock', 'Limit', 'Held by', 'Waiting'], locks.map((l) => h('tr', {},
    h('td', {}, h('code', {}, l.name)), h('td', { class: 'num' }, l.limit),
    h('td', {}, l.holders.map((x) => [h('a', { href: `#/jobs/${x.job}` }, x.job.slice(-6)), ` for ${duration(x.age_seconds)} `])),
    h('td', { class: 'num' }, l.waiting))), 'Named locks'));
}

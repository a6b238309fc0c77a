// The server's limits, which can be changed while it runs, and who holds which
// lock.

import { get, patch, path, post } from './api.js';
import { announce, card, confirmed, fill, h, problem, refresh, rows } from './dom.js';
import { follow, throttled } from './events.js';
import { bytes, count, duration } from './format.js';

// What can be changed: a number, or a number by name.
const numbers = [
  ['slots', 'Jobs at once', 'in all'],
  ['queue_cap', 'Jobs that may wait', 'in all'],
  ['memory_bytes', 'Memory of all jobs together', 'bytes'],
  ['ageing_seconds', 'Waiting that raises a priority', 'seconds'],
  ['patience_seconds', 'Waiting after which locks and memory are kept for a job', 'seconds'],
  ['cache_seconds', 'Age of a result given without a run', 'seconds, 0: as long as it is kept'],
];
const maps = [
  ['tenant_slots', 'Jobs at once of a tenant'],
  ['plugin_slots', 'Jobs at once of a plugin'],
  ['node_slots', 'Jobs at once on a node'],
  ['tenant_queue_cap', 'Waiting jobs of a tenant'],
  ['plugin_queue_cap', 'Waiting jobs of a plugin'],
  ['tenant_weights', 'Weight of a tenant’s share'],
  ['locks', 'Holders of a named lock'],
];

export async function limits(place) {
  const wrong = h('div');
  const use = h('div');
  const locks = h('div');
  const now = await get('/limits');
  const form = editor(now, wrong);
  const stop = async (job) => {
    if (!await confirmed('Stop this job? Its locks are free once its guest is gone.', 'Stop')) return;
    try {
      await post(path('jobs', job, 'stop'));
      fill(wrong);
    } catch (err) { fill(wrong, problem(err)); }
  };
  const look = async () => {
    const [stats, held] = await Promise.all([get('/stats'), get('/locks')]);
    refresh(use, inUse(stats));
    refresh(locks, lockTable(held.locks, stop));
  };
  fill(place, h('h1', {}, 'Limits'), use, wrong, locks, form, kept(now.retention));
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

// What is kept of jobs that have ended, by tenant: shown here, changed by the
// command line.
function kept(retention) {
  const bounds = (r) => [r.age_seconds && duration(r.age_seconds), r.count && `${count(r.count)} jobs`, r.bytes && bytes(r.bytes)].filter(Boolean).join(', ');
  const which = (r) => [r.phase, r.plugin && `of ${r.plugin}`].filter(Boolean).join(', ') || 'all';
  const lines = Object.entries(retention).flatMap(([tenant, r]) => [r, ...(r.rules ?? [])].map((rule) => h('tr', {},
    h('td', {}, tenant === '*' ? 'all others' : tenant), h('td', {}, which(rule)), h('td', {}, bounds(rule) || 'everything'))));
  return card('What is kept of jobs that have ended', rows(['Tenant', 'Jobs', 'At most'], lines, 'Retention'),
    h('p', { class: 'soft small' }, 'All that fit a job hold. Pinned jobs stay. Change it with ',
      h('code', {}, 'thresher limits retention.\'*\'.count=500'), '.'));
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

const jobLink = (id) => h('a', { href: `#/jobs/${id}` }, id.slice(-6));

function lockTable(locks, stop) {
  if (!locks.length) return card('Named locks', h('p', { class: 'soft' }, 'No job holds a named lock or waits for one.'));
  return card('Named locks', rows(['Lock', 'Limit', 'Held by', 'Waiting'], locks.map((l) => h('tr', { 'data-lock': l.name },
    h('td', {}, h('code', {}, l.name)), h('td', { class: 'num' }, l.limit),
    h('td', {}, l.holders.map((x) => h('div', { class: 'holder', 'data-job': x.job }, jobLink(x.job), ` for ${duration(x.age_seconds)} `,
      h('button', { class: 'small', 'aria-label': `Stop ${x.job}`, onclick: () => stop(x.job) }, 'Stop')))),
    h('td', {}, l.waiting > 0 && [`${count(l.waiting)}: `, l.waiters.slice(0, 3).map((id) => [jobLink(id), ' ']), l.waiting > 3 && '…']))), 'Named locks'));
}

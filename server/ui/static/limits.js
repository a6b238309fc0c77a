// The server's limits, which can be changed while it runs, and who holds which
// lock.

import { get, patch, path, post } from './api.js';
import { announce, card, confirmed, fill, h, problem, refresh, rows, stacked } from './dom.js';
import { follow, throttled } from './events.js';
import { plain, point } from './fields.js';
import { bytes, count, duration } from './format.js';
import { equal, write } from './json.js';
import { jobLink } from './phase.js';
import { trying } from './retry.js';
import { decimal, size, time, whole } from './units.js';

// What can be changed: its path, what it is called, and how it is read and written.
const amounts = [
  ['slots', 'Jobs at once', 'In all.', whole],
  ['queue_cap', 'Jobs that may wait', 'In all.', whole],
  ['memory_bytes', 'Memory of all jobs together', '', size],
  ['ageing_seconds', 'Waiting that raises a priority', '', time],
  ['patience_seconds', 'Waiting after which locks and memory are kept for a job', '', time],
  ['cache_seconds', 'Age of a result given without a run', '0 s: as long as it is kept.', time],
];
const maps = [
  ['tenant_slots', 'Jobs at once of a tenant', whole],
  ['plugin_slots', 'Jobs at once of a plugin', whole],
  ['node_slots', 'Jobs at once on a node', whole],
  ['tenant_queue_cap', 'Waiting jobs of a tenant', whole],
  ['plugin_queue_cap', 'Waiting jobs of a plugin', whole],
  ['tenant_weights', 'Weight of a tenant’s share', decimal],
  ['locks', 'Holders of a named lock', whole],
];
const ofJob = [
  ['memory_bytes', 'Memory', size],
  ['wall_seconds', 'Running time', time],
  ['cpu_seconds', 'CPU time', time],
  ['output_bytes', 'Output', size],
  ['log_bytes', 'Log', size],
  ['artifacts', 'Files', whole],
  ['gas', 'Gas', { ...whole, hint: '0: no limit.' }],
];

export async function limits(place) {
  const [wrong, unread, use, locks, form] = [h('div'), h('div'), h('div'), h('div'), h('div')];
  const [now, { plugins }] = await Promise.all([get('/limits'), get('/plugins')]);
  const stop = async (job) => {
    if (!await confirmed('Stop this job? Its locks are free once its guest is gone.', 'Stop')) return;
    try {
      await post(path('jobs', job, 'stop'));
      fill(wrong);
    } catch (err) { fill(wrong, problem(err)); }
  };
  const look = trying(unread, async () => {
    const [stats, held] = await Promise.all([get('/stats'), get('/locks')]);
    refresh(use, inUse(stats));
    refresh(locks, lockTable(held.locks, stop));
  });
  const edit = (from, text) => fill(form, editor(from, plugins.map((p) => p.name), text, (answer) => {
    edit(answer, changesIn(from, answer)); // what is in force is read back
    form.querySelector('button').focus();
    announce('The limits are in force');
  }));
  edit(now);
  fill(place, h('h1', {}, 'Limits'), unread, use, wrong, locks, form, kept(now.retention));
  await look();
  follow(place, { open: look, job: throttled(look, 500) });
}

const inUse = (s) => h('p', {}, `${s.running} of ${s.slots} slots are in use, ${s.waiting} jobs wait, `,
  `${bytes(s.memory_bytes)} of ${bytes(s.memory_budget_bytes)} of memory are reserved.`);

// editor is the form over the limits in force, with a word on what became of the last change.
function editor(now, plugins, text, done) {
  const wrong = h('div');
  const said = h('p', { id: 'changed', role: 'status' }, text);
  const amount = ([at, title, hint, kind], from = now) => required(plain(at, title, hint, from[at.split('.').pop()] ?? 0, kind));
  const map = ([at, title, kind]) => {
    const f = plain(at, title, `NAME=${kind === decimal ? 'WEIGHT' : 'LIMIT'}, parted by commas; * is all others. ${kind === decimal ? '1' : 'No limit'} if there is none.`, now[at], entries(kind));
    return at.startsWith('plugin_') ? advised(f, plugins) : f;
  };
  const part = (name) => ofJob.map(([at, title, kind]) => amount([`${name}.${at}`, title, '', kind], now[name]));
  const groups = [['In force', [...amounts.map((a) => amount(a)), ...maps.map(map)]],
    ['Of a job that names none', part('job')], ['The most that a job may name', part('max_job')]];
  const fields = groups.flatMap(([, list]) => list);
  const send = async (e) => {
    e.preventDefault();
    fill(wrong);
    fill(said);
    const failing = fields.filter((f) => !f.check());
    if (failing.length > 0) {
      failing[0].focus();
      return;
    }
    const change = changeOf(fields, now);
    if (Object.keys(change).length === 0) {
      fill(said, 'Nothing was changed.');
      return;
    }
    try {
      done(await patch('/limits', change));
    } catch (err) {
      const [first, rest] = point(fields, err);
      first?.focus();
      fill(wrong, rest && problem(rest));
    }
  };
  return h('form', { class: 'card', 'aria-label': 'Limits', novalidate: true, onsubmit: send },
    groups.map(([title, list]) => h('section', {}, h('h2', {}, title), h('div', { class: 'fields' }, list.map((f) => f.node)))),
    wrong, said, h('div', { class: 'actions' }, h('button', { class: 'main' }, 'Change')));
}

// required is a field that may not be emptied.
const required = (f) => ({ ...f, check: () => {
  if (!f.check()) return false;
  if (f.read() === undefined) f.say('This is required.');
  return f.read() !== undefined;
} });

// entries is a map of limits by name.
const entries = (kind) => ({
  hint: '',
  read: (text) => Object.fromEntries(text.split(',').filter((part) => part.trim()).map((part) => {
    const at = part.lastIndexOf('=');
    if (at < 1) throw `${part.trim()}: want NAME=LIMIT`;
    return [part.slice(0, at).trim(), kind.read(part.slice(at + 1).trim())];
  })),
  write: (map) => Object.entries(map).map(([k, v]) => `${k}=${kind.write(v)}`).join(', '),
});

// advised adds to a field of plugins a word on those that there are not: they may come yet.
function advised(f, plugins) {
  const advice = h('p', { class: 'hint advice', role: 'status' });
  const look = () => {
    try {
      const unknown = Object.keys(f.read() ?? {}).filter((name) => name !== '*' && !plugins.includes(name));
      fill(advice, unknown.map((name) => `There is no plugin ${name} yet${nearest(name, plugins)}. `));
    } catch { fill(advice); } // what is wrong is said by the field
  };
  f.node.append(advice);
  f.node.addEventListener('input', look);
  look();
  return f;
}

// nearest names what a name was probably meant to be.
function nearest(name, known) {
  const [best, far] = known.map((k) => [k, distance(name, k)]).sort(([, a], [, b]) => a - b)[0] ?? [];
  return far <= Math.max(1, name.length / 3) ? `: did you mean ${best}?` : '';
}

// distance is how many letters one has to change, add or take away.
function distance(a, b) {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}

// changeOf is what of the form differs from the limits in force.
function changeOf(fields, now) {
  const change = {};
  for (const f of fields) {
    const [name, part] = f.name.split('.');
    const value = f.read() ?? {};
    if (part === undefined && !equal(value, now[name])) change[name] = value;
    if (part !== undefined && !equal(value, now[name][part] ?? 0)) (change[name] ??= {})[part] = value;
  }
  return change;
}

// changesIn says what became of a change: what is in force now, as the server says it.
function changesIn(before, after) {
  const flat = (l) => new Map(Object.entries(l).flatMap(([k, v]) => (k === 'job' || k === 'max_job' ? Object.entries(v).map(([part, x]) => [`${k}.${part}`, x]) : [[k, v]])));
  const [was, is] = [flat(before), flat(after)];
  const names = [...is.keys()].filter((k) => !equal(is.get(k), was.get(k)));
  return names.length > 0 ? `The limits are in force: ${names.map((k) => `${k} is ${write(is.get(k))}`).join(', ')}.` : 'The limits are in force.';
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

function lockTable(locks, stop) {
  if (!locks.length) return card('Named locks', h('p', { class: 'soft' }, 'No job holds a named lock or waits for one.'));
  return card('Named locks', stacked(['Lock', 'Limit', 'Held by', 'Waiting'], locks.map((l) => h('tr', { 'data-lock': l.name },
    h('td', { class: 'name' }, h('code', {}, l.name)), h('td', { class: 'num' }, l.limit),
    h('td', {}, l.holders.map((x) => h('div', { class: 'holder', 'data-job': x.job }, jobLink(x.job), ` for ${duration(x.age_seconds)}${x.phase === 'running' ? '' : `, ${x.phase}`} `,
      h('button', { class: 'small', 'aria-label': `Stop ${x.job}`, onclick: () => stop(x.job) }, 'Stop')))),
    h('td', {}, l.waiting > 0 && [`${count(l.waiting)}: `, l.waiters.slice(0, 3).map((id) => [jobLink(id), ' ']), l.waiting > 3 && '…']))), 'Named locks'));
}

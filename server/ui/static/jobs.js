// The list of jobs, live. Rows stay the same elements while they change, so that
// neither focus nor a click under way is lost.

import { get, post } from './api.js';
import { announce, confirmed, empty, fill, h, problem, refresh, rows } from './dom.js';
import { follow } from './events.js';
import { between, duration, many, time } from './format.js';
import { badge, final, phases, progressBar, waits, wish } from './phase.js';
import { line, trying } from './retry.js';

const page = 50;
const mostRead = 1000; // that the server gives at once
const most = 2000; // jobs kept on the page; the oldest go first

export async function jobs(place, query) {
  const filter = Object.fromEntries(['phase', 'plugin', 'label', 'batch', 'tenant'].map((k) => [k, query.get(k) ?? '']));
  const shown = list();
  const older = h('button', { hidden: true, onclick: () => more() }, 'Older jobs');
  const nothing = h('div');
  const [wrong, unread] = [h('div'), h('div')];
  let cursor = '';

  const read = async (limit = page) => {
    const params = new URLSearchParams(Object.entries({ ...filter, limit, cursor }).filter(([, v]) => v !== ''));
    const answer = await get(`/jobs?${params}`);
    cursor = answer.next ?? '';
    older.hidden = !cursor;
    return answer.jobs;
  };
  const draw = () => {
    shown.draw();
    fill(nothing, shown.size() === 0 && nothingHere(filter));
    shown.node.hidden = shown.size() === 0;
  };
  const attempt = async (fn) => {
    try {
      await fn();
      fill(wrong);
    } catch (err) { fill(wrong, problem(err)); }
  };
  const inTurn = line(); // since each goes on from where the last one was
  const more = () => attempt(() => inTurn(async () => { (await read()).forEach(shown.put); draw(); }));
  // It reads as many as are shown, so that nobody loses their place.
  const anew = trying(unread, () => inTurn(async () => {
    const all = [];
    cursor = '';
    do {
      all.push(...await read(Math.min(Math.max(page, shown.size() - all.length), mostRead)));
    } while (cursor && all.length < shown.size());
    shown.only(all);
    draw();
  }));
  const soon = eachFrame(draw);

  fill(place, h('div', { class: 'title' }, h('h1', {}, 'Jobs'), h('a', { class: 'button main', href: '#/run' }, 'Run a routine')),
    filters(filter), narrowed(filter), unread, Object.values(filter).some(Boolean) && bulk(filter, attempt), wrong, nothing, shown.node, h('div', { class: 'actions' }, older));
  await anew();
  follow(place, {
    open: anew,
    job: (j) => { if (matches(filter, j)) shown.put(j); else shown.remove(j.id); soon(); },
    progress: (p) => { shown.progress(p); },
    deleted: (d) => { shown.remove(d.job); soon(); },
  });
}

function filters(filter) {
  const go = (e) => {
    e.preventDefault();
    const given = [...new FormData(e.currentTarget)].map(([k, v]) => [k, v.trim()]).filter(([, v]) => v);
    location.hash = `#/jobs?${new URLSearchParams(given)}`;
  };
  return h('form', { class: 'filters', role: 'search', 'aria-label': 'Filter jobs', onsubmit: go },
    // Arrows move through the choices: only the button, or Enter, means one of them.
    h('label', {}, 'Phase', h('select', { name: 'phase' },
      h('option', { value: '' }, 'any'), phases.map((p) => h('option', { value: p, selected: p === filter.phase }, p)))),
    h('label', {}, 'Plugin', h('input', { name: 'plugin', value: filter.plugin, placeholder: 'any', title: 'NAME, or NAME@VERSION' })),
    h('label', {}, 'Label', h('input', { name: 'label', value: filter.label, placeholder: 'key=value', pattern: '[^=]+=.*', title: 'key=value' })),
    filter.batch && h('input', { type: 'hidden', name: 'batch', value: filter.batch }),
    filter.tenant && h('input', { type: 'hidden', name: 'tenant', value: filter.tenant }),
    h('button', {}, 'Filter'));
}

// narrowed shows each filter that has no field, with a way to be rid of it.
function narrowed(filter) {
  const one = (name) => {
    const rest = new URLSearchParams(Object.entries(filter).filter(([k, v]) => v && k !== name));
    const what = name === 'batch' ? h('a', { href: `#/batches/${filter.batch}` }, filter.batch) : filter[name];
    return h('span', { class: 'chip', 'data-filter': name }, `Only ${name} `, what, ' ',
      h('a', { class: 'button small', href: `#/jobs${rest.size ? `?${rest}` : ''}`, 'aria-label': `Show jobs of every ${name}` }, 'Remove'));
  };
  const given = ['batch', 'tenant'].filter((name) => filter[name]);
  return given.length > 0 && h('p', { class: 'chips' }, given.map(one));
}

// named writes a filter in words, for whoever is asked about what it selects.
const named = (filter) => Object.entries(filter).filter(([, v]) => v).map(([k, v]) => `${k} ${v}`).join(', ');

// bulk does something to every job that the filter selects, having said how many
// they are.
function bulk(filter, attempt) {
  const { label, ...rest } = Object.fromEntries(Object.entries(filter).filter(([, v]) => v));
  const [key, ...value] = (label ?? '').split('=');
  const selected = { ...rest, ...(label && { labels: { [key]: value.join('=') } }) };
  const far = h('span', { class: 'soft', role: 'status' }); // how far it is
  const button = (action, verb) => h('button', { onclick: () => attempt(async () => {
    const { jobs } = await post('/bulk', { action, filter: selected, preview: true });
    if (!await confirmed(`${verb} ${many(jobs, 'job')}: those of ${named(filter)}? Those whose phase does not allow it stay as they are.`, verb)) return;
    let b = await post('/bulk', { action, filter: selected });
    while (b.state === 'running' && far.isConnected) {
      fill(far, `${verb}: ${many(b.done + b.skipped, 'job')} of ${b.jobs}`);
      await new Promise((again) => setTimeout(again, 300));
      b = await get(`/bulk/${b.id}`);
    }
    const said = `${verb}: ${b.state}, ${b.done} done, ${b.skipped} left as they are`;
    fill(far, said);
    announce(said);
  }) }, `${verb} all`);
  return h('div', { class: 'actions bulk' }, button('stop', 'Stop'), button('retry', 'Retry'), button('delete', 'Delete'), far);
}

function matches(filter, j) {
  const [key, ...value] = filter.label.split('=');
  return (!filter.phase || j.phase === filter.phase)
    && (!filter.batch || j.spec.batch === filter.batch)
    && (!filter.tenant || j.tenant === filter.tenant)
    && (!filter.plugin || [pluginOf(j), `${pluginOf(j)}@${j.spec.version}`].includes(filter.plugin))
    && (!filter.label || j.spec.labels?.[key] === value.join('='));
}

const pluginOf = (j) => j.spec.routine.split('/')[0];

function nothingHere(filter) {
  if (Object.values(filter).some(Boolean)) {
    return empty('No job matches', h('a', { href: '#/jobs' }, 'Show all jobs'), ', or change the filters.');
  }
  return empty('No jobs yet', h('a', { href: '#/run' }, 'Run a routine'), ': the simulation models/sir needs no data. Or ',
    h('a', { href: '#/datasets' }, 'upload a table'), ' and describe it.');
}

// list keeps a row for each job, newest first. Ids sort by time.
function list() {
  const known = new Map(); // id → row
  const body = h('tbody');
  const node = rows(['Routine', 'Phase', h('span', { class: 'unseen' }, 'State'), 'Labels', 'Submitted', h('th', { scope: 'col', class: 'num' }, 'Took')], [], 'Jobs');
  node.querySelector('tbody').replaceWith(body);
  node.classList.add('jobs', 'card');
  const put = (j) => {
    const old = known.get(j.id);
    if (!old) known.set(j.id, row(j));
    else if (j.revision >= old.revision()) old.update(j);
  };
  return {
    node,
    put,
    size: () => known.size,
    remove: (id) => known.delete(id),
    // only keeps the rows of these jobs, as the elements that they are.
    only: (jobs) => {
      const ids = new Set(jobs.map((j) => j.id));
      for (const id of [...known.keys()]) if (!ids.has(id)) known.delete(id);
      jobs.forEach(put);
    },
    progress: (p) => known.get(p.job)?.progress(p),
    draw: () => {
      const ids = [...known.keys()].sort().reverse();
      for (const id of ids.splice(most)) known.delete(id);
      const wanted = ids.map((id) => known.get(id).node);
      for (const tr of [...body.children]) if (!known.has(tr.dataset.job)) tr.remove();
      wanted.forEach((tr, i) => { if (body.children[i] !== tr) body.insertBefore(tr, body.children[i] ?? null); });
    },
  };
}

function row(j) {
  const [phase, remark, took] = [h('td'), h('td', { class: 'remark' }), h('td', { class: 'num took' })];
  const bar = progressBar();
  const labels = Object.entries(j.spec.labels ?? {}).map(([k, v]) => h('span', { class: 'label' }, `${k}=${v}`));
  const node = h('tr', { 'data-job': j.id },
    h('td', { class: 'name' }, h('a', { href: `#/jobs/${j.id}` }, j.spec.routine), h('code', { class: 'soft' }, j.id.slice(-6))),
    phase, remark, h('td', { class: 'labels' }, labels), h('td', { class: 'when', title: new Date(j.created).toLocaleString() }, time(j.created)), took);
  const update = (now) => {
    j = now;
    refresh(phase, badge(j.phase));
    bar.update(final(j) ? null : j.progress);
    refresh(remark, bar.node, wish(j) || waits(j) || h('span', { class: 'soft' }, j.outcome?.error?.title ?? (j.cache_hit && 'from the cache')));
    refresh(took, j.ended && j.started ? duration(between(j.started, j.ended)) : '');
  };
  update(j);
  return { node, update, revision: () => j.revision, progress: (p) => { if (!final(j)) bar.update(p); } };
}

// eachFrame calls fn once a frame, however often it is asked to.
function eachFrame(fn) {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => { asked = false; fn(); });
  };
}

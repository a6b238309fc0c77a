// The list of jobs, live.

import { get } from './api.js';
import { h, problem, rows, time } from './dom.js';
import { follow } from './events.js';

const phases = ['', 'pending', 'running', 'paused', 'completed', 'failed', 'stopped'];

export function progressBar(p) {
  if (!p) return null;
  return h('span', {}, h('progress', { max: 1, value: p.fraction, 'aria-label': 'progress' }), ' ', h('span', { class: 'small soft' }, p.message ?? ''));
}

function remark(j) {
  if (j.waiting) return `waits for ${j.waiting.on}`;
  if (['running', 'paused'].includes(j.phase)) return progressBar(j.progress);
  return j.outcome?.error?.title ?? '';
}

function row(j) {
  return h('tr', { 'data-id': j.id },
    h('td', {}, h('a', { href: `#/jobs/${j.id}` }, j.spec.routine)),
    h('td', {}, h('span', { class: `phase ${j.phase}` }, j.phase)),
    h('td', {}, remark(j)),
    h('td', { class: 'opt' }, Object.entries(j.spec.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(' ')),
    h('td', { class: 'opt' }, time(j.created)));
}

export async function jobs(main, params) {
  const filter = { phase: params.get('phase') ?? '', plugin: params.get('plugin') ?? '', label: params.get('label') ?? '' };
  const query = () => new URLSearchParams(Object.entries(filter).filter(([, v]) => v));
  const go = () => { location.hash = `#/jobs?${query()}`; };
  const known = new Map();
  const body = [];
  const holder = h('div');
  const older = h('button', { hidden: true }, 'Older');
  let cursor = params.get('cursor') ?? '';

  const draw = () => {
    const list = [...known.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
    const matches = list.filter((j) => (!filter.phase || j.phase === filter.phase) && (!filter.plugin || j.spec.routine.startsWith(filter.plugin + '/'))
      && (!filter.label || Object.entries(j.spec.labels ?? {}).some(([k, v]) => `${k}=${v}` === filter.label)));
    body.length = 0;
    body.push(...matches.map(row));
    holder.replaceChildren(matches.length ? rows(['Routine', 'Phase', '', ...['Labels', 'Submitted'].map((t) => h('span', { class: 'opt' }, t))], body, 'Jobs')
      : h('p', { class: 'soft' }, filter.phase || filter.plugin || filter.label ? 'No job matches.' : 'No jobs yet. ', h('a', { href: '#/run' }, 'Run one')));
  };
  const load = async () => {
    const q = query();
    q.set('limit', '100');
    if (cursor) q.set('cursor', cursor);
    const page = await get(`/jobs?${q}`);
    page.jobs.forEach((j) => known.set(j.id, j));
    cursor = page.next ?? '';
    older.hidden = !cursor;
    draw();
  };
  const change = (name) => (e) => { filter[name] = e.target.value.trim(); go(); };
  main.replaceChildren(h('h1', {}, 'Jobs'),
    h('div', { class: 'bar' },
      h('label', {}, 'Phase', h('select', { onchange: change('phase') }, phases.map((p) => h('option', { value: p, selected: p === filter.phase }, p || 'any')))),
      h('label', {}, 'Plugin', h('input', { value: filter.plugin, onchange: change('plugin'), placeholder: 'any' })),
      h('label', {}, 'Label', h('input', { value: filter.label, onchange: change('label'), placeholder: 'key=value' })),
      h('a', { class: 'button', href: '#/run' }, 'Run a routine')),
    holder, older);
  older.addEventListener('click', () => load().catch((err) => holder.replaceChildren(problem(err))));
  await load();

  // Bursts of events are drawn once a frame.
  let drawing = false;
  const soon = () => { if (!drawing) { drawing = true; requestAnimationFrame(() => { drawing = false; draw(); }); } };
  return follow('/events', {
    job: (j) => { known.set(j.id, j); soon(); },
    progress: (p) => { const j = known.get(p.job); if (j) { j.progress = p; soon(); } },
    deleted: (d) => { known.delete(d.job); soon(); },
    reset: () => { cursor = ''; known.clear(); load(); },
  });
}

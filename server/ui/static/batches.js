// Batches: how many of their jobs are in which phase.

import { get, path, post } from './api.js';
import { confirmed, empty, fill, h, problem, refresh, rows } from './dom.js';
import { follow, throttled } from './events.js';
import { count, many, time } from './format.js';
import { badge, phases } from './phase.js';
import { line, trying } from './retry.js';

const page = 50;
const mostRead = 1000; // that the server gives at once

export async function batches(place) {
  const older = h('button', { hidden: true, onclick: () => more() }, 'Older batches');
  const [list, unread] = [h('div'), h('div')];
  let known = [];
  let cursor = '';
  const read = async (limit = page) => {
    const answer = await get(`/batches?${new URLSearchParams({ limit, ...(cursor && { cursor }) })}`);
    cursor = answer.next ?? '';
    older.hidden = !cursor;
    return answer.batches;
  };
  const redraw = () => refresh(list, known.length ? h('div', { class: 'jobs card' }, rows(['Batch', 'Jobs', 'Phases', 'Submitted'], known.map(row), 'Batches'))
    : empty('No batches yet', 'A batch is many jobs at once: a list, or a grid of params. Submit one with ',
      h('code', {}, 'thresher batches submit FILE'), ' or ', h('code', {}, 'POST /api/v1/batches'), '.'));
  const inTurn = line(); // since each goes on from where the last one was
  const more = trying(unread, () => inTurn(async () => { known = known.concat(await read()); redraw(); }));
  // It reads as many as are shown, so that nobody loses their place.
  const anew = trying(unread, () => inTurn(async () => {
    cursor = '';
    known = await read(Math.min(Math.max(page, known.length), mostRead));
    redraw();
  }));
  fill(place, h('h1', {}, 'Batches'), unread, list, h('div', { class: 'actions' }, older));
  await anew();
  follow(place, { open: anew, job: throttled(anew, 1000) });
}

function row(b) {
  return h('tr', { 'data-batch': b.id },
    h('td', { class: 'name' }, h('a', { href: `#/batches/${b.id}` }, labels(b) || 'batch'), h('code', { class: 'soft' }, b.id.slice(-6))),
    h('td', {}, many(b.jobs, 'job')), h('td', { class: 'counts' }, counts(b)), h('td', { class: 'when' }, time(b.created)));
}

const labels = (b) => Object.entries(b.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(', ');

// What a batch is, where the phases of its jobs do not say so.
const said = { expanding: (b) => `expanding: ${count(b.written)} written `, paused: () => 'paused ', stopping: () => 'stopping ', stopped: () => 'stopped ' };

const counts = (b) => [said[b.state]?.(b), ...phases.filter((p) => b.phases[p]).map((p) =>
  h('a', { href: `#/jobs?${new URLSearchParams({ batch: b.id, phase: p })}` }, badge(p), ` ${count(b.phases[p])}`))];

export async function batch(place, id) {
  const here = path('batches', id);
  const wrong = h('div');
  const state = h('p', { class: 'counts' });
  const bar = h('progress', { max: 1, 'aria-label': 'Progress' });
  const button = (label, style, act) => h('button', { class: style, onclick: async () => {
    try {
      fill(wrong);
      await act();
    } catch (err) { fill(wrong, problem(err)); }
  } }, label);
  const stop = button('Stop all', 'danger', async () => {
    if (await confirmed('Stop every job of this batch that has not ended?', 'Stop')) await post(`${here}/stop`);
  });
  const then = (what) => async () => { await post(`${here}/${what}`); await look(); };
  const pause = button('Pause', '', then('pause'));
  const resume = button('Resume', '', then('resume'));
  const retry = button('Retry', '', then('retry'));
  const update = (b) => {
    const ended = b.phases.completed + b.phases.failed + b.phases.stopped;
    bar.value = b.jobs ? (b.written ?? ended) / b.jobs : 0;
    refresh(state, many(b.jobs, 'job'), b.running ? `, at most ${b.running} at once` : '', ' ', counts(b));
    stop.hidden = b.done || b.state === 'stopping';
    pause.hidden = b.done || !['expanding', 'running'].includes(b.state);
    resume.hidden = b.state !== 'paused';
    retry.hidden = !b.phases.failed && !b.phases.stopped;
  };
  const unread = h('div');
  const look = trying(unread, async () => update(await get(here)));
  const first = await get(here);
  fill(place, h('p', { class: 'soft small path' }, h('a', { href: '#/batches' }, 'Batches'), ' / ', h('code', {}, id)),
    h('h1', {}, labels(first) || 'Batch'), unread, wrong, h('section', { class: 'batch card' }, state, bar,
      h('div', { class: 'actions' }, h('a', { class: 'button', href: `#/jobs?batch=${id}` }, 'Its jobs'), retry, resume, pause, stop)));
  update(first);
  follow(place, { open: look, job: throttled(look, 500) });
}

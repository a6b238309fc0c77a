// One job: what it is, how far it is, what can be done with it. What it left is in
// outputs.js. The buttons stay the same elements while the job changes under them.

import { del, get, path, post, url } from './api.js';
import { announce, card, confirmed, facts, fill, h, problem, refresh } from './dom.js';
import { follow, throttled } from './events.js';
import { between, brief, bytes, count, duration, time } from './format.js';
import { inOrder, secretIn } from './fields.js';
import { own } from './json.js';
import { log } from './log.js';
import { outputs } from './outputs.js';
import { jobLink as link, badge, final, progressBar, waits, wish } from './phase.js';
import { trying } from './retry.js';
import { againKey, ranBy } from './catalog.js';

export async function job(place, id) {
  const here = path('jobs', id);
  let j = await get(here);
  const routine = await ranBy(j.spec);
  const schema = routine?.params ?? {};
  const state = h('div', { class: 'state' });
  const bar = progressBar();
  const wrong = h('div');
  const about = h('div', { class: 'grid' });
  const left = outputs(here);
  const text = log(`${here}/logs`);

  const buttons = actions(async (what) => {
    try {
      fill(wrong);
      if (what === 'again') runAgain(routine?.ref ?? j.spec.routine, id);
      else if (what === 'retry') location.hash = `#/jobs/${(await post(`${here}/retry`)).id}`;
      else if (what === 'delete') await remove(here, j);
      else update(await post(`${here}/${what}`));
    } catch (err) { fill(wrong, problem(err)); }
  });
  const update = (now) => {
    if (now.revision < j.revision) return;
    if (now.phase !== j.phase) announce(`The job is ${now.phase}`);
    j = now;
    refresh(state, badge(j.phase, 'phase'), h('span', {}, wish(j) || waits(j)));
    bar.update(final(j) ? null : j.progress);
    buttons.update(j);
    refresh(about, what(j.spec, schema), how(j));
  };
  const read = h('div');
  let missed = false; // events: it may have changed
  const look = trying(read, async () => {
    if (missed) update(await get(here));
    missed = false;
    await Promise.all([left.update(j), text.update(j)]);
  });
  const lookAgain = throttled(look, 1000);

  fill(place, h('p', { class: 'soft small path' }, h('a', { href: '#/jobs' }, 'Jobs'), ' / ', h('code', {}, j.id)),
    h('h1', {}, j.spec.routine), h('div', { class: 'title' }, h('div', { class: 'state' }, state, bar.node), buttons.node),
    wrong, read, left.node, text.node, about);
  update(j);
  await look();
  if (final(j)) return;
  const ours = (fn) => (e) => { if ((e.job ?? e.id) === id) fn(e); };
  follow(place, {
    open: () => { missed = true; lookAgain(); },
    job: ours((now) => { update(now); lookAgain(); }),
    progress: ours((p) => { if (!final(j)) bar.update(p); lookAgain(); }),
    deleted: ours(() => { location.hash = '#/jobs'; }),
    beat: () => { if (j.phase === 'running') lookAgain(); }, // what it prints is no event
  }, id);
}

// actions makes the buttons; update shows those that the job allows.
function actions(act) {
  const button = (what, label, style) => h('button', { id: what, class: style, onclick: () => act(what) }, label);
  const when = [
    [button('pause', 'Pause'), (j) => !final(j) && j.desired === 'run'],
    [button('resume', 'Resume'), (j) => !final(j) && j.desired === 'pause'],
    [button('stop', 'Stop'), (j) => !final(j) && j.desired !== 'stop'],
    [button('retry', 'Retry'), (j) => final(j) && j.phase !== 'completed'],
    [button('again', 'Run again'), () => true],
    [button('pin', 'Keep'), (j) => final(j) && !j.pinned],
    [button('unpin', 'Do not keep'), (j) => final(j) && j.pinned],
    [button('delete', 'Delete', 'danger'), final],
  ];
  const node = h('div', { class: 'actions' }, when.map(([b]) => b));
  const update = (j) => {
    const focused = document.activeElement;
    for (const [b, allowed] of when) b.hidden = !allowed(j);
    // Who pressed a button that is gone goes on from the next one.
    if (node.contains(focused) && focused.hidden) when.find(([b]) => !b.hidden)[0].focus();
  };
  return { node, update };
}

// runAgain leads to the form of what ran, which need not be the active version.
function runAgain(ref, id) {
  location.hash = `#/run/${ref}?${new URLSearchParams({ [againKey]: id })}`;
}

async function remove(here, j) {
  if (!await confirmed(`Delete this job of ${j.spec.routine}, its result, tables and charts?`, 'Delete')) return;
  await del(here);
  location.hash = '#/jobs';
}

function what(spec, schema) {
  const properties = schema.properties ?? {};
  const params = inOrder(schema, spec.params).map((n) => {
    const s = own(properties, n) ?? {};
    return [s.title ?? n, secretIn(schema, n) ? h('span', { class: 'soft' }, 'hidden') : [brief(spec.params[n]), s['x-unit'] && h('span', { class: 'soft' }, ` ${s['x-unit']}`)]];
  });
  return card('Given', facts([
    ...Object.entries(spec.inputs ?? {}).map(([name, i]) => [`Input ${name}`, source(i)]),
    ...params,
    ['Seed', String(spec.seed)],
    ...Object.entries(spec.labels ?? {}).map(([k, v]) => [`Label ${k}`, v]),
    ['Comes after', spec.after?.map((id) => [link(id), ' '])],
    ['Locks', spec.locks?.map((l) => `${l.name} (${l.limit ?? 1})`).join(', ')],
    ['Cache', spec.cache_key ? '' : 'its run is its own'],
    ['Batch', spec.batch && h('a', { href: `#/batches/${spec.batch}` }, spec.batch.slice(-6))],
    ['Repeats', spec.origin && link(spec.origin)],
    ['Priority', { '-1': 'low', 1: 'high' }[spec.priority]],
    ['Plugin', [h('a', { href: `#/plugins/${spec.routine.split('/')[0]}/${spec.version}` }, `${spec.routine.split('/')[0]} ${spec.version}`), ' ', h('code', { class: 'soft', title: spec.digest }, spec.digest.slice(0, 12))]],
  ]));
}

function source(input) {
  const address = input.job ? `#/jobs/${input.job}` : `#/datasets/${encodeURIComponent(input.source.split('/')[0])}`;
  return h('a', { href: address }, input.source);
}

// attempt says what an attempt without an outcome left.
function attempt(j, a) {
  const at = a.progress && ` at ${Math.round(100 * a.progress.fraction)} % ${a.progress.message ?? ''}`;
  return [`${a.ending.replace('_', ' ')} after ${duration(a.usage.wall_seconds)}`, at,
    a.log && [' ', h('a', { href: url(`${path('jobs', j.id)}/logs?attempt=${a.number}`), download: `log-${a.number}.txt` }, 'Log')]];
}

function how(j) {
  const u = j.outcome?.usage;
  const l = j.spec.limits;
  const of = (used, limit, write) => (u ? `${write(used)} of ${write(limit)}` : `at most ${write(limit)}`);
  return card('Taken', facts([
    ['Submitted', time(j.created)],
    ['Started', time(j.started)],
    ['Ended', time(j.ended)],
    ['Waited', j.started && duration(between(j.created, j.started))],
    ['Ran for', of(u?.wall_seconds, l.wall_seconds, duration)],
    ['CPU time', l.cpu_seconds && of(u?.cpu_seconds, l.cpu_seconds, duration)],
    ['Gas', u && (l.gas ? `${count(u.gas)} of ${count(l.gas)}` : count(u.gas))],
    ['Memory', of(u?.peak_memory_bytes, l.memory_bytes, bytes)],
    ['Output', of(u?.output_bytes, l.output_bytes, bytes)],
    ['Tenant', j.tenant !== 'default' && j.tenant],
    ['Ran as', j.cache_hit && [link(j.cache_hit), ' (from the cache)']],
    ['Attempts', j.attempt > 1 && String(j.attempt)],
    ...(j.attempts ?? []).map((a) => [`Attempt ${a.number}`, attempt(j, a)]),
    ['Workers lost', j.losses && String(j.losses)],
  ]));
}

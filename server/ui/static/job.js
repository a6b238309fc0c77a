// One job: what it is, how far it is, what it left.

import { del, get, post, tail, url } from './api.js';
import { chart, isChart } from './charts.js';
import { announce, bytes, card, h, problem, time } from './dom.js';
import { follow } from './events.js';
import { progressBar } from './jobs.js';
import { preview } from './table.js';

const final = (j) => ['completed', 'failed', 'stopped'].includes(j.phase);
const logShown = 64 << 10;

export async function job(main, id) {
  let j = await get(`/jobs/${id}`);
  const head = h('div');
  const facts = h('div', { class: 'grid' });
  const log = h('pre', { tabindex: 0, 'aria-label': 'Log' });
  const logCard = card('Log', log);
  const left = h('div');
  main.replaceChildren(head, facts, left, logCard);

  const act = (what) => async () => {
    try {
      if (what === 'delete') { await del(`/jobs/${id}`); location.hash = '#/jobs'; return; }
      j = await post(`/jobs/${id}/${what}`);
      draw();
    } catch (err) { head.append(problem(err)); }
  };
  const again = () => {
    sessionStorage.setItem('again', JSON.stringify(j.spec));
    location.hash = `#/run/${j.spec.routine}`;
  };
  const draw = () => {
    const button = (what, label) => h('button', { id: what, onclick: act(what) }, label);
    const waits = j.waiting && h('span', { class: 'soft' }, ` waits for ${j.waiting.on}`);
    head.replaceChildren(
      h('h1', {}, j.spec.routine, ' ', h('span', { class: `phase ${j.phase}`, id: 'phase' }, j.phase), waits),
      h('div', { class: 'bar' },
        !final(j) && j.desired === 'run' && button('pause', 'Pause'),
        !final(j) && j.desired === 'pause' && button('resume', 'Resume'),
        !final(j) && j.desired !== 'stop' && button('stop', 'Stop'),
        h('button', { onclick: again }, 'Run again'),
        final(j) && button('delete', 'Delete'),
        !final(j) && progressBar(j.progress)));
    facts.replaceChildren(about(j), numbers(j));
  };
  const drawOutputs = async () => { left.replaceChildren(...await outputs(j)); };
  const drawLog = async () => {
    const { text, total } = await tail(`/jobs/${id}/logs`, logShown);
    log.textContent = total > text.length ? `… (${bytes(total)} in all)\n${text}` : text;
    logCard.hidden = !text;
    log.scrollTop = log.scrollHeight;
  };
  draw();
  await Promise.all([drawOutputs(), drawLog()]);
  if (final(j)) return () => {};

  let tables = 0;
  const stop = follow(`/jobs/${id}/events`, {
    job: async (now) => {
      if (now.phase !== j.phase) announce(`The job is ${now.phase}`);
      j = now;
      draw();
      if (final(j)) { stop(); j = await get(`/jobs/${id}`); draw(); drawLog(); drawOutputs(); }
    },
    progress: (p) => {
      j.progress = p;
      draw();
      if (Date.now() - tables > 2000) { tables = Date.now(); drawOutputs(); } // tables grow
    },
    log: (l) => { logCard.hidden = false; log.textContent = (log.textContent + l.text).slice(-logShown); log.scrollTop = log.scrollHeight; },
    deleted: () => { location.hash = '#/jobs'; },
  });
  return stop;
}

function list(entries) {
  return h('dl', {}, entries.filter(([, v]) => v !== undefined && v !== null && v !== '').map(([k, v]) => [h('dt', {}, k), h('dd', {}, v)]));
}

function about(j) {
  const inputs = Object.entries(j.spec.inputs ?? {}).map(([name, in_]) => [name, in_.source]);
  return card('What', list([
    ...Object.entries(j.spec.params).map(([k, v]) => [k, JSON.stringify(v)]),
    ...inputs, ['seed', String(j.spec.seed)], ['version', j.spec.version], ['plugin digest', h('code', {}, j.spec.digest.slice(0, 16))],
    ...Object.entries(j.spec.labels ?? {}).map(([k, v]) => [`label ${k}`, v]), ['id', h('code', {}, j.id)],
  ]));
}

function numbers(j) {
  const u = j.outcome?.usage;
  const l = j.spec.limits;
  return card('How', list([
    ['submitted', time(j.created)], ['started', time(j.started)], ['ended', time(j.ended)], ['attempt', j.attempt > 1 ? String(j.attempt) : ''],
    ['running time', u && `${u.wall_seconds.toFixed(3)} s of ${l.wall_seconds} s`],
    ['memory', u && `${bytes(u.peak_memory_bytes)} of ${bytes(l.memory_bytes)}`],
    ['output', u && `${bytes(u.output_bytes)} of ${bytes(l.output_bytes)}`],
  ]));
}

async function outputs(j) {
  const parts = [];
  if (j.outcome?.error) {
    const e = j.outcome.error;
    parts.push(h('div', { class: 'card problem', role: 'alert' }, h('strong', {}, `${e.title} (${e.code})`), h('div', {}, e.detail ?? ''),
      e.stack?.length ? h('details', {}, h('summary', {}, 'Stack of the plugin'), h('pre', {}, e.stack.join('\n'))) : null));
  }
  const { artifacts } = await get(`/jobs/${j.id}/artifacts`);
  const charts = artifacts.filter(isChart);
  if (charts.length) parts.push(h('div', { class: 'grid' }, charts.map((a) => chart(j.id, a))));
  if (j.phase === 'completed' && (j.outcome.result !== undefined || j.outcome.result_blob)) parts.push(await result(j));
  const { tables } = await get(`/jobs/${j.id}/tables`);
  for (const t of tables) parts.push(card(`Table ${t.name}`, await preview(`/jobs/${j.id}/tables/${encodeURIComponent(t.name)}`)));
  const others = artifacts.filter((a) => !isChart(a));
  if (others.length) {
    parts.push(card('Files', h('ul', {}, others.map((a) => h('li', {}, h('a', { href: url(`/jobs/${j.id}/artifacts/${encodeURIComponent(a.name)}`) }, a.name), ` ${bytes(a.bytes)}`)))));
  }
  return parts;
}

async function result(j) {
  const value = j.outcome.result ?? await get(`/jobs/${j.id}/result`);
  const text = JSON.stringify(value, null, 2);
  const copy = h('button', { onclick: () => navigator.clipboard.writeText(text).then(() => announce('Copied')) }, 'Copy');
  return card('Result', h('div', { class: 'bar' }, copy, h('a', { class: 'button', href: url(`/jobs/${j.id}/result`), download: `${j.id}.json` }, 'Download')),
    h('pre', { id: 'result', tabindex: 0, 'aria-label': 'Result' }, text.length > 200_000 ? text.slice(0, 200_000) + '\n… download the rest' : text));
}

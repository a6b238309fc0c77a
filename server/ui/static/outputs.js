// What a job leaves: its error, charts, result, tables and files. Also while it
// runs: what is there already stays in place, and what is new is added.

import { get, path, url } from './api.js';
import { chart, isChart } from './charts.js';
import { announce, card, fill, h, linked, refresh } from './dom.js';
import { bytes } from './format.js';
import { write } from './json.js';
import { final } from './phase.js';
import { preview } from './table.js';
import { trying } from './retry.js';
import { tree } from './tree.js';
import { usesOf } from './catalog.js';

const mostShown = 4 << 20; // bytes of a result that the page reads

// outputs shows what the job at a path leaves; update(job) brings it up to date.
export function outputs(here) {
  const failure = h('div');
  const charts = h('div', { class: 'grid' });
  const answer = h('div');
  const tables = h('div');
  const files = h('div');
  const drawn = new Map(); // charts and tables, by kind and name
  const once = (key, make) => {
    if (!drawn.has(key)) drawn.set(key, make());
    return drawn.get(key);
  };

  const update = async (j) => {
    const [{ artifacts }, list] = await Promise.all([get(`${here}/artifacts`), get(`${here}/tables`)]);
    refresh(failure, j.outcome?.error && failed(j.outcome.error));
    for (const a of artifacts.filter(isChart)) {
      once(`chart ${a.digest} ${a.name}`, () => { const c = chart(here, a); charts.append(c); return c; });
    }
    for (const t of list.tables) {
      const known = drawn.has(`table ${t.name}`);
      const shown = once(`table ${t.name}`, () => table(here, j.id, t.name, tables));
      if (known) await shown.refresh();
    }
    refresh(files, others(here, artifacts.filter((a) => !isChart(a))));
    if (j.phase === 'completed') await once('result', () => result(here, j, answer));
    fill(tables.firstElementChild ? h('div') : tables, final(j) && nothing(j, artifacts, list.tables));
  };
  return { node: h('div', {}, failure, charts, answer, tables, files), update };
}

function nothing(j, artifacts, tables) {
  if (j.phase === 'completed' || artifacts.length || tables.length || j.outcome?.error) return null;
  return h('p', { class: 'soft' }, 'The job was stopped before it left anything.');
}

function failed(e) {
  return h('section', { class: 'card problem', role: 'alert' },
    h('h2', {}, e.title), e.detail && h('p', { class: 'text' }, linked(e.detail)), h('p', { class: 'soft small' }, 'code ', h('a', { href: `/docs/errors#${e.code}` }, h('code', {}, e.code))),
    e.stack?.length > 0 && h('details', {}, h('summary', {}, 'Where in the plugin'), h('pre', { tabindex: 0 }, e.stack.join('\n'))));
}

const result = (here, j, place) => trying(place, async () => {
  const download = h('a', { class: 'button', href: url(`${here}/result`), download: `${j.id}.json` }, 'Download');
  const size = j.outcome.result_blob?.bytes ?? 0;
  if (size > mostShown) {
    fill(place, card('Result', h('p', {}, `It has ${bytes(size)}: too much to show here.`), download));
    return;
  }
  let value;
  try {
    value = await get(`${here}/result`);
  } catch (err) {
    if (err.status !== 404) throw err;
    fill(place); // a job may leave no result
    return;
  }
  const copy = h('button', { onclick: () => navigator.clipboard.writeText(write(value, 2)).then(() => said(copy, 'Copied')) }, 'Copy');
  fill(place, h('section', { class: 'card' }, h('div', { class: 'title' }, h('h2', {}, 'Result'), h('div', { class: 'actions' }, copy, download)),
    h('div', { id: 'result' }, tree(value))));
})();

// said shows for a moment that a button did its work.
function said(button, text) {
  const before = button.textContent;
  announce(text);
  button.textContent = text;
  setTimeout(() => { button.textContent = before; }, 1500);
}

function table(here, id, name, place) {
  const shown = preview(here + path('tables', name));
  const uses = h('p', { class: 'soft small' });
  const c = card(`Table ${name}`, shown.node, uses);
  place.append(c);
  usesOf(`job:${id}/${name}`).then((links) => fill(uses, links), () => {}); // only an offer
  return shown;
}

function others(here, artifacts) {
  const link = (a) => h('a', { href: url(here + path('artifacts', a.name)), download: a.name }, a.name);
  const items = artifacts.map((a) => h('li', {}, link(a), h('span', { class: 'soft' }, ` ${a.media_type}, ${bytes(a.bytes)}`)));
  return items.length > 0 && card('Files', h('ul', { class: 'plain' }, items));
}


// Datasets: the list, and one with its columns and rows.

import { del, get, path } from './api.js';
import { usesOf } from './catalog.js';
import { card, confirmed, empty, fill, h, problem, refresh, rows, stacked } from './dom.js';
import { follow } from './events.js';
import { bytes, count, many, time } from './format.js';
import { trying } from './retry.js';
import { preview } from './table.js';
import { uploader } from './upload.js';

// simple are importers that the form for a file has all for.
const simple = (r) => r.kind === 'importer' && !r.params?.required?.length;

export async function datasets(place) {
  const [list, wrong, unread] = [h('div'), h('div'), h('div')];
  const names = new Set();
  const draw = trying(unread, async () => {
    const all = (await get('/datasets')).datasets;
    names.clear();
    all.forEach((d) => names.add(d.name));
    refresh(list, all.length ? table(all) : empty('No datasets yet', 'Drop a file above. Then run a routine on it: tabular/describe takes any table.'));
  });
  const remove = async (d) => {
    if (!await confirmed(`Delete the dataset ${d.name}? Jobs that were given it keep it.`, 'Delete')) return;
    try {
      await del(path('datasets', d.name));
      await draw();
      fill(wrong);
    } catch (err) { fill(wrong, problem(err)); }
  };
  const table = (all) => stacked(['Name', ...['Rows', 'Columns', 'Size'].map((t) => h('th', { scope: 'col', class: 'num' }, t)), h('th', { scope: 'col', class: 'opt' }, 'Imported'), h('span', { class: 'unseen' }, 'Delete')],
    all.flatMap((d) => d.tables.map((t) => h('tr', { 'data-table': `${d.name}/${t.name}` },
      h('td', { class: 'name' }, h('a', { href: `#/datasets/${encodeURIComponent(d.name)}` }, d.tables.length > 1 ? `${d.name}/${t.name}` : d.name)),
      h('td', { class: 'num', 'data-of': 'rows' }, count(t.rows)), h('td', { class: 'num', 'data-of': 'columns' }, count(t.columns.length)), h('td', { class: 'num' }, bytes(t.bytes)),
      h('td', { class: 'opt' }, time(d.created)),
      h('td', { class: 'end' }, h('button', { class: 'quiet', 'aria-label': `Delete ${d.name}`, onclick: () => remove(d) }, 'Delete'))))), 'Datasets');
  const importers = (await get('/routines')).plugins.flatMap((p) => p.routines.filter(simple).map((r) => ({ ref: `${p.name}/${r.name}`, ...r })));
  fill(place, h('h1', {}, 'Datasets'), uploader(importers, (name) => names.has(name), draw), unread, wrong, h('section', { class: 'card list' }, list));
  await draw();
  follow(place, { open: draw }); // no event tells of datasets
}

export async function dataset(place, name) {
  const d = await get(path('datasets', name));
  fill(place, h('p', { class: 'soft small path' }, h('a', { href: '#/datasets' }, 'Datasets'), ' /'), h('h1', {}, d.name),
    d.tables.map((t) => one(d, t)));
}

function one(d, t) {
  const source = d.tables.length === 1 ? d.name : `${d.name}/${t.name}`;
  const uses = h('p', { class: 'soft' });
  usesOf(source, t.columns).then((links) => fill(uses, links), () => {}); // only an offer
  const columns = rows(['Column', 'Type', h('th', { scope: 'col', class: 'num' }, 'Nulls')],
    t.columns.map((c) => h('tr', {}, h('td', {}, c.name), h('td', {}, c.type), h('td', { class: 'num' }, count(c.nulls)))), 'Columns');
  return [
    h('p', {}, `${many(t.rows, 'row')}, ${many(t.columns.length, 'column')}, ${bytes(t.bytes)}, imported ${time(d.created)}`), uses,
    card('Rows', preview(path('datasets', d.name, 'tables', t.name)).node),
    card('Columns', columns),
  ];
}

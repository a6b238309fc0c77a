// Datasets: import, look, delete.

import { del, get, upload } from './api.js';
import { bytes, card, h, problem, rows, time } from './dom.js';
import { preview } from './table.js';

const formats = { csv: 'csv', json: 'json', ndjson: 'ndjson', jsonl: 'ndjson', arrow: 'arrow', feather: 'arrow' };

export async function datasets(main) {
  const list = h('div');
  const status = h('div', { role: 'status' });
  const draw = async () => {
    const all = (await get('/datasets')).datasets;
    list.replaceChildren(all.length ? rows(['Name', 'Rows', 'Columns', 'Size', h('span', { class: 'opt' }, 'Imported'), ''],
      all.map((d) => h('tr', {}, h('td', {}, h('a', { href: `#/datasets/${d.name}` }, d.name)), h('td', { class: 'num' }, String(d.tables[0].rows)),
        h('td', { class: 'num' }, String(d.tables[0].columns.length)), h('td', { class: 'num' }, bytes(d.tables[0].bytes)), h('td', { class: 'opt' }, time(d.created)),
        h('td', {}, h('button', { onclick: () => del(`/datasets/${d.name}`).then(draw, (e) => status.replaceChildren(problem(e))) }, 'Delete')))), 'Datasets')
      : h('p', { class: 'soft' }, 'No datasets yet: drop a file above.'));
  };
  const take = async (file) => {
    const ending = file.name.split('.').pop().toLowerCase();
    const name = file.name.replace(/\.[^.]*$/, '').replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+|[-_]+$/g, '') || 'data';
    const bar = h('progress', { max: 1, value: 0, 'aria-label': 'upload' });
    status.replaceChildren(`Importing ${file.name} `, bar);
    try {
      const d = await upload(`/datasets?name=${name}&format=${formats[ending] ?? ending}`, file, (f) => { bar.value = f; });
      status.replaceChildren(`Imported ${d.name}: ${d.tables[0].rows} rows.`);
      await draw();
    } catch (err) { status.replaceChildren(problem(err)); }
  };
  const choose = h('input', { type: 'file', id: 'file', accept: '.csv,.json,.ndjson,.jsonl,.arrow,.feather', onchange: () => choose.files[0] && take(choose.files[0]) });
  const drop = h('div', {
    class: 'card drop',
    ondragover: (e) => { e.preventDefault(); drop.classList.add('over'); },
    ondragleave: () => drop.classList.remove('over'),
    ondrop: (e) => { e.preventDefault(); drop.classList.remove('over'); if (e.dataTransfer.files[0]) take(e.dataTransfer.files[0]); },
  }, h('label', { for: 'file' }, 'Drop a CSV, JSON, NDJSON or Arrow file here, or choose one'), choose);
  main.replaceChildren(h('h1', {}, 'Datasets'), drop, status, list);
  await draw();
  return () => {};
}

export async function dataset(main, name) {
  const d = await get(`/datasets/${name}`);
  main.replaceChildren(h('h1', {}, d.name));
  for (const t of d.tables) {
    main.append(card(`${t.rows} rows, ${bytes(t.bytes)}`,
      rows(['Column', 'Type', 'Nulls'], t.columns.map((c) => h('tr', {}, h('td', {}, c.name), h('td', {}, c.type), h('td', { class: 'num' }, String(c.nulls)))), 'Columns')),
    card('Rows', await preview(`/datasets/${name}/tables/${t.name}`)));
  }
  return () => {};
}

// Uploads a table: a file that is chosen or dropped, under a name.

import { upload } from './api.js';
import { announce, fill, h, problem } from './dom.js';
import { bytes, many } from './format.js';

const formats = { csv: 'CSV', json: 'JSON', ndjson: 'NDJSON', arrow: 'Arrow' };
const endings = { csv: 'csv', json: 'json', ndjson: 'ndjson', jsonl: 'ndjson', arrow: 'arrow', feather: 'arrow' };

// uploader makes the drop zone. importers are routines that read files; taken tells whether a dataset has a name already;
// done is called when there is a new one.
export function uploader(importers, taken, done) {
  const status = h('div', { 'aria-live': 'polite' });
  const take = (file) => {
    if (file) fill(status, ask(file, importers, taken, (name, how) => send(file, name, how)));
    status.querySelector('input')?.focus();
  };
  const send = async (file, name, how) => {
    const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Upload' });
    const text = h('span', { class: 'soft' }, `Sending ${bytes(file.size)}`);
    const { answer, cancel } = upload(`/datasets?${new URLSearchParams({ name, [how in formats ? 'format' : 'importer']: how })}`, file, (share) => {
      bar.value = share;
      if (share === 1) { bar.removeAttribute('value'); text.textContent = 'Reading the table'; }
    });
    fill(status, h('div', { class: 'actions' }, bar, text, h('button', { onclick: cancel }, 'Cancel')));
    try {
      const d = await answer;
      const [t] = d.tables;
      fill(status, h('p', { class: 'done' }, 'Imported ', h('a', { href: `#/datasets/${encodeURIComponent(d.name)}` }, d.name), `: ${many(t.rows, 'row')}, ${many(t.columns.length, 'column')}.`));
      announce(`Imported ${d.name}`);
      await done();
    } catch (err) { fill(status, problem(err)); }
  };
  const choose = h('input', {
    type: 'file', id: 'file', class: 'unseen',
    onchange: () => { take(choose.files[0]); choose.value = ''; }, // so that the same file can be chosen again
  });
  const zone = h('div', {
    class: 'card drop',
    ondragover: (e) => { e.preventDefault(); zone.classList.add('over'); },
    ondragleave: () => zone.classList.remove('over'),
    ondrop: (e) => { e.preventDefault(); zone.classList.remove('over'); take(e.dataTransfer.files[0]); },
  }, choose, h('label', { for: 'file', class: 'button' }, 'Choose a file'), h('p', { class: 'soft' }, ['or drop it here: CSV, JSON, NDJSON, Arrow', ...importers.map((i) => i.title)].join(', ')), status);
  return zone;
}

// ask lets the user name the dataset before the file is sent.
function ask(file, importers, taken, go) {
  const ending = file.name.split('.').pop().toLowerCase();
  const name = h('input', { id: 'name', required: true, pattern: '[A-Za-z0-9][A-Za-z0-9_\\-]{0,127}', title: 'up to 128 letters, digits, dashes and underscores', value: nameOf(file.name), autocomplete: 'off' });
  const option = (value, selected, text) => h('option', { value, selected }, text);
  const format = h('select', { id: 'format' }, Object.entries(formats).map(([v, t]) => option(v, endings[ending] === v, t)),
    importers.map((i) => option(i.ref, i.name === ending, `${i.title} (${i.ref})`)));
  const note = h('p', { class: 'soft small' });
  const warn = () => { note.textContent = taken(name.value) ? `It replaces the dataset ${name.value}. Jobs that were given that one keep it.` : ''; };
  name.addEventListener('input', warn);
  warn();
  return h('form', { class: 'filters', onsubmit: (e) => { e.preventDefault(); go(name.value, format.value); } },
    h('label', {}, `Name for ${file.name}`, name), h('label', {}, 'Format', format), h('button', { class: 'main' }, 'Import'), note);
}

const nameOf = (file) => file.replace(/\.[^.]*$/, '').replace(/[^A-Za-z0-9_-]+/g, '-').replace(/^[-_]+|[-_]+$/g, '').slice(0, 128) || 'data';

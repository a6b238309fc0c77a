// What can be run, by plugin.

import { get } from './api.js';
import { empty, fill, h } from './dom.js';
import { bytes } from './format.js';

export async function routines(place) {
  const { plugins } = await get('/routines');
  fill(place, h('h1', {}, 'Routines'), plugins.map(plugin),
    plugins.length === 0 && empty('No plugins', 'This server was built without its plugins: run make build.'));
}

function plugin(p) {
  return h('section', { class: 'card' },
    h('h2', {}, h('a', { href: `#/plugins/${p.name}` }, p.name), h('span', { class: 'soft' }, ` ${p.version}`)),
    h('p', {}, p.summary),
    h('p', { class: 'soft small' }, [p.builtin && 'built in', p.license, p.bytes && bytes(p.bytes)].filter(Boolean).join(' · '), ' · ', h('code', { class: 'digest', title: `SHA-256 ${p.digest}` }, p.digest)),
    h('ul', { class: 'routines' }, p.routines.map((r) => routine(p, r))));
}

function routine(p, r) {
  const reads = (r.inputs ?? []).map((i) => i.name).join(', ');
  const writes = (r.outputs ?? []).map((o) => o.name).join(', ');
  return h('li', {},
    r.kind !== 'importer' && h('a', { class: 'button', href: `#/run/${p.name}/${r.name}`, 'aria-label': `Run ${p.name}/${r.name}` }, 'Run'),
    h('div', {}, h('strong', {}, r.title), ' ', h('code', { class: 'soft' }, `${p.name}/${r.name}`),
      h('p', {}, r.summary),
      r.kind === 'importer' && h('p', { class: 'soft small' }, 'Reads a file: ', h('code', {}, `thresher datasets put NAME FILE --importer ${p.name}/${r.name}`)),
      h('p', { class: 'soft small' }, [r.kind, reads && `reads ${reads}`, writes && `writes ${writes}`].filter(Boolean).join(' · '))));
}

// What can be run, by plugin.

import { get } from './api.js';
import { card, h } from './dom.js';

export async function routines(main) {
  const { plugins } = await get('/routines');
  main.replaceChildren(h('h1', {}, 'Routines'), ...plugins.map((p) => card(`${p.name} ${p.version}`,
    h('p', { class: 'soft' }, p.summary, ' ', h('code', {}, p.digest.slice(0, 16))),
    h('ul', {}, p.routines.map((r) => h('li', {}, h('a', { href: `#/run/${p.name}/${r.name}` }, `${p.name}/${r.name}`), ` ${r.kind}: ${r.title}. `, h('span', { class: 'soft' }, r.summary ?? '')))))));
  return () => {};
}

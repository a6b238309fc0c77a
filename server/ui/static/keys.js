// The keys that may sign plugins: those that are trusted, and those that were revoked.

import { get } from './api.js';
import { card, h, stacked } from './dom.js';
import { time } from './format.js';
import { badge } from './phase.js';
import { who } from './standing.js';

export async function keys() {
  const { keys: list } = await get('/keys');
  if (list.length === 0) {
    return card('Keys', h('p', { class: 'soft' }, 'No key is trusted to sign plugins. ', h('code', {}, 'thresher keys trust FILE.pub'), ' adds one of minisign.'));
  }
  const node = stacked(['Key', 'Whose', 'State', 'Trusted by'], list.map((k) => h('tr', { 'data-key': k.id },
    h('td', { class: 'name' }, h('code', { title: k.key }, k.id)), h('td', {}, k.name), h('td', {}, badge(k.revoked ? 'revoked' : 'trusted'), k.revoked && h('span', { class: 'soft small' }, ` ${time(k.revoked)}`)),
    h('td', { class: 'when' }, who(k.trusted)))), 'Keys');
  return card('Keys', node);
}

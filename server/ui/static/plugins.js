// Plugins: the list, what was uploaded and did not become a version, and the keys.

import { get } from './api.js';
import { card, empty, fill, h, refresh, stacked } from './dom.js';
import { follow, throttled } from './events.js';
import { bytes, many } from './format.js';
import { keys } from './keys.js';
import { badge } from './phase.js';
import { pusher } from './push.js';
import { trying } from './retry.js';
import { stateOf, who } from './standing.js';

const shown = 20; // uploads

const brief = (text) => (text.length > 160 ? `${text.slice(0, 150)} …` : text); // its own page has all of it

export async function plugins(place) {
  const [list, unserved, uploads, trusted, unread] = [h('div'), h('div'), h('div'), h('div'), h('div')];
  const look = trying(unread, async () => {
    const [all, { modules }, signs] = await Promise.all([get('/plugins'), get('/modules'), keys()]);
    refresh(list, all.plugins.length ? h('ul', { class: 'plugins card' }, all.plugins.map(plugin)) : empty('No plugins yet', 'Drop a module above. The documentation says how to write one.'));
    refresh(unserved, all.left_out?.length > 0 && card('Files that are not served', leftOut(all.left_out)));
    const open = modules.filter((m) => ['verifying', 'rejected'].includes(m.state));
    refresh(uploads, open.length > 0 && card('Uploads that are no version', uploadTable(open)));
    refresh(trusted, signs);
  });
  const soon = throttled(look, 500);
  const push = pusher(place, soon);
  fill(place, h('h1', {}, 'Plugins'), push.node, unread, list, unserved, uploads, trusted);
  await look();
  follow(place, { open: soon, plugin: soon, module: soon });
}

function plugin(p) {
  const ready = p.versions.filter((v) => v.state === 'ready').length;
  const remarks = [{ builtin: 'built in', folder: 'from the server’s folder' }[p.source], p.versions.length > 1 && `${many(p.versions.length, 'version')}${ready < p.versions.length ? `, ${p.versions.length - ready} disabled` : ''}`, many(p.routines.length, 'routine')];
  const now = p.versions.find((v) => v.active);
  return h('li', { 'data-plugin': p.name },
    h('div', {}, h('a', { class: 'name', href: `#/plugins/${p.name}` }, p.name), h('p', {}, p.summary), h('p', { class: 'soft small' }, remarks.filter(Boolean).join(' · '))),
    h('div', { class: 'stands' }, now ? [h('a', { href: `#/plugins/${p.name}/${now.version}` }, now.version), ' ', stateOf(now)] : badge('not active')));
}

// leftOut lists the modules of the server's folder that it does not serve, and why.
function leftOut(list) {
  const row = (l) => h('tr', { 'data-left-out': l.place },
    h('td', { class: 'name' }, l.place),
    h('td', { class: 'remark' }, h('code', {}, l.code), ' ', h('span', { class: 'soft' }, brief(l.detail))));
  return [h('p', { class: 'soft small' }, 'They are in the server’s folder of plugins. Mend or remove them, then restart the server.'),
    stacked(['File', 'Why'], list.map(row), 'Files that are not served')];
}

function uploadTable(list) {
  const row = (m) => h('tr', { 'data-digest': m.digest },
    h('td', { class: 'name' }, h('a', { href: `#/uploads/${m.digest}` }, m.name ? `${m.name} ${m.version}` : m.digest.slice(0, 12))),
    h('td', {}, badge(m.state)),
    h('td', { class: 'remark' }, m.report?.refusal && [h('code', {}, m.report.refusal.code), ' ', h('span', { class: 'soft' }, brief(m.report.refusal.detail))]),
    h('td', { class: 'when' }, who(m.uploaded)), h('td', { class: 'num' }, bytes(m.bytes)));
  return [stacked(['Upload', 'State', 'Why', 'Uploaded', h('th', { scope: 'col', class: 'num' }, 'Size')], list.slice(0, shown).map(row), 'Uploads'),
    list.length > shown && h('p', { class: 'soft small' }, `and ${list.length - shown} older ones`)];
}

// One version of a plugin: what it can do, what was found of it, and what can be done
// with it. Each routine can be tried from here, whether the version is active or not.

import { del, get, path, post } from './api.js';
import { announce, asked, card, confirmed, facts, fill, h, problem, refresh } from './dom.js';
import { bytes, many } from './format.js';
import { badge } from './phase.js';
import { figures, report } from './report.js';
import { trying } from './retry.js';
import { routine } from './schema.js';
import { activated, followPlugin, jobsOf, signer, stateOf, who } from './standing.js';

const mostNote = 500; // bytes that the server takes

export async function version(place, name, number) {
  const here = path('plugins', name, 'versions', number);
  const wrong = h('div');
  const state = h('div', { class: 'state' });
  const remarks = h('div');
  let p;
  let v;
  let own; // it was uploaded
  let gone = false;
  const attempt = async (fn) => {
    try {
      fill(wrong);
      if (await fn()) await look();
    } catch (err) { fill(wrong, problem(err)); }
  };
  const done = (text) => { announce(text); return true; };
  const acts = {
    activate: () => activated(p, number),
    disable: async () => {
      const reason = await asked(`Reject new jobs of ${name} ${number}? ${v.active ? 'It is the active version: a submit that names no version is an error until another is active. ' : ''}Jobs that were submitted run on.`,
        'Disable', { no: 'Leave it', style: 'danger', label: 'Why', most: mostNote });
      if (reason === null) return false;
      await post(`${here}/disable`, { reason });
      return done(`${name} ${number} is disabled`);
    },
    enable: async () => { await post(`${here}/enable`); return done(`${name} ${number} is enabled`); },
    deprecate: async () => {
      const note = await asked(`Note for those who use ${name} ${number}. An empty note takes it back.`, 'Deprecate',
        { no: 'Leave it', label: 'What to use instead', value: v.deprecated, most: mostNote });
      if (note === null) return false;
      await post(`${here}/deprecate`, { note });
      return done(note ? `${name} ${number} is deprecated` : `${name} ${number} is not deprecated`);
    },
    delete: async () => {
      const n = p.jobs[number] ?? 0;
      if (!await confirmed(`Delete ${name} ${number}? ${n ? `${many(n, 'job')} that ran it or will keep it.` : 'No job has used it.'} Its number stays taken.`, 'Delete')) return false;
      gone = true; // there is nothing to look at any more
      try {
        await del(here);
      } catch (err) { gone = false; throw err; }
      announce(`${name} ${number} is deleted`);
      location.hash = p.versions.length > 1 ? `#/plugins/${name}` : '#/plugins';
      return false;
    },
  };
  const buttons = actions((what) => attempt(acts[what]));
  const [uses, stands, routines] = [h('span'), h('span'), h('ul', { class: 'routines' })];
  const unread = h('div');
  const read = async () => {
    if (gone) return;
    [p, v] = await Promise.all([get(path('plugins', name)), get(here)]);
    // What came with the server stays readable behind an uploaded plugin of its name.
    own = p.source === 'uploaded' && p.versions.some((x) => x.digest === v.digest);
    v.active &&= own || p.source !== 'uploaded';
    refresh(state, stateOf(v), v.deprecated && badge('deprecated'));
    refresh(remarks, [v.state === 'disabled' && `Disabled: ${v.reason}`, v.deprecated && `Deprecated: ${v.deprecated}`, v.failures > 0 && `${many(v.failures, 'job')} in a row failed.`]
      .filter(Boolean).map((text) => h('p', { class: 'card note' }, text)));
    buttons.update(own, v);
    refresh(uses, jobsOf(name, number, p.jobs[number] ?? 0));
    refresh(stands, v.active ? 'this one' : p.active ? [h('a', { href: `#/plugins/${name}/${p.active}` }, p.active)] : `no version of ${name} is active`);
    const how = v.state !== 'ready' ? '' : v.active ? 'Run' : 'Try';
    refresh(routines, v.report.plugin.routines.map((r) => routine(r, v.active ? `${name}/${r.name}` : `${name}@${number}/${r.name}`, how)));
  };
  const look = trying(unread, read);
  await read();
  const found = report();
  found.update(v);
  const manifest = v.report.plugin;
  fill(place, h('p', { class: 'soft small path' }, h('a', { href: '#/plugins' }, 'Plugins'), ' / ', h('a', { href: `#/plugins/${name}` }, name)),
    h('h1', {}, `${name} ${number}`), h('div', { class: 'title' }, state, buttons.node), h('p', {}, manifest.summary), remarks, unread, wrong,
    card('Routines', routines),
    h('div', { class: 'grid' },
      card('About it', facts([
        ['Used by', uses], ['Active version', stands], ['Uploaded', own ? who(v.uploaded) : 'it came with the server'], ['Signed', own && signer(v.signature)],
        ['Licence', manifest.license], ['Size', bytes(v.bytes)], ['SHA-256', h('code', {}, v.digest)],
      ])),
      card('Verification', own ? [found.node, figures(v.report)] : h('p', { class: 'soft' }, 'It was checked when the server started.'))));
  followPlugin(place, name, look);
}

// actions makes the buttons; update shows those that its state allows. What came with
// the server cannot be changed here.
function actions(act) {
  const button = (what, label, style) => h('button', { id: what, class: style, onclick: () => act(what) }, label);
  const when = [
    [button('activate', 'Activate', 'main'), (v) => v.state === 'ready' && !v.active],
    [button('enable', 'Enable'), (v) => v.state === 'disabled'],
    [button('disable', 'Disable'), (v) => v.state === 'ready'],
    [button('deprecate', 'Deprecate'), () => true],
    [button('delete', 'Delete', 'danger'), () => true],
  ];
  const node = h('div', { class: 'actions' }, when.map(([b]) => b));
  const update = (own, v) => {
    const focused = document.activeElement;
    for (const [b, allowed] of when) b.hidden = !own || !allowed(v);
    // Who pressed a button that is gone goes on from the next one.
    if (node.contains(focused) && focused.hidden) when.find(([b]) => !b.hidden)?.[0].focus();
  };
  return { node, update };
}

// One plugin: its versions, which of them is active, and who uses them.

import { get, path, post } from './api.js';
import { announce, card, confirmed, fill, h, problem, refresh, stacked } from './dom.js';
import { bytes, many, time } from './format.js';
import { badge } from './phase.js';
import { trying } from './retry.js';
import { activated, asMe, followPlugin, jobsOf, stateOf, who } from './standing.js';

export async function plugin(place, name) {
  const here = path('plugins', name);
  const wrong = h('div');
  const [about, actions, versions, history] = [h('div'), h('div', { class: 'actions' }), h('div'), h('div')];
  const attempt = async (fn) => {
    try {
      fill(wrong);
      if (await fn()) await look();
    } catch (err) { fill(wrong, problem(err)); }
  };
  const back = (p) => attempt(async () => {
    if (!await confirmed(`${name} ${p.active} is active. Roll back to ${p.previous}? Jobs that were submitted keep their version.`, 'Roll back', { no: 'Leave it' })) return false;
    const now = await post(asMe(`${here}/rollback`));
    announce(`${name}: rolled back to ${now.active}`);
    return true;
  });
  const unread = h('div');
  const read = async () => {
    const p = await get(here);
    refresh(about, h('p', {}, p.summary),
      h('p', { class: 'soft small' }, [{ builtin: 'built in', folder: 'from the server’s folder', uploaded: 'uploaded' }[p.source], p.license].filter(Boolean).join(' · '), ' · ',
        h('a', { href: `#/jobs?plugin=${name}` }, 'jobs of all versions')));
    const first = p.routines?.find((r) => r.kind !== 'importer'); // those have files to read, not tables
    refresh(actions, p.previous && h('button', { id: 'rollback', onclick: () => back(p) }, `Roll back to ${p.previous}`),
      p.active && first && h('a', { class: 'button main', href: `#/run/${name}/${first.name}` }, 'Run'));
    refresh(versions, table(p, (v) => attempt(() => activated(p, v.version))));
    refresh(history, p.history?.length > 0 && card('Active versions so far', past(p.history)));
  };
  const look = trying(unread, read);
  await read();
  fill(place, h('p', { class: 'soft small path' }, h('a', { href: '#/plugins' }, 'Plugins'), ' /'),
    h('div', { class: 'title' }, h('h1', {}, name), actions), about, unread, wrong, card('Versions', versions), history);
  followPlugin(place, name, look);
}

function table(p, activate) {
  const row = (v) => h('tr', { 'data-version': v.version },
    h('td', { class: 'name' }, h('a', { href: `#/plugins/${p.name}/${v.version}` }, v.version)),
    h('td', {}, stateOf(v), v.deprecated && [' ', badge('deprecated')]),
    h('td', { class: 'remark soft' }, [v.reason, v.deprecated, v.failures > 0 && `${many(v.failures, 'failure')} in a row`].filter(Boolean).join(' · ')),
    h('td', { class: 'when' }, who(v.uploaded)),
    h('td', { class: 'signer' }, p.source === 'uploaded' && (v.signature ? ['signed by ', v.signature.name || v.signature.key] : 'not signed')),
    h('td', { class: 'num' }, bytes(v.bytes)),
    h('td', { class: 'num' }, jobsOf(p.name, v.version, p.jobs[v.version] ?? 0)),
    h('td', { class: 'end' }, !v.active && v.state === 'ready' && h('button', { 'aria-label': `Activate ${v.version}`, onclick: () => activate(v) }, 'Activate')));
  return stacked(['Version', 'State', h('span', { class: 'unseen' }, 'Remarks'), 'Uploaded', 'Signed', h('th', { scope: 'col', class: 'num' }, 'Size'),
    h('th', { scope: 'col', class: 'num' }, 'Used by'), h('span', { class: 'unseen' }, 'Activate')], p.versions.map(row), 'Versions');
}

// past is the history, the newest first.
function past(history) {
  return stacked(['Version', 'How', 'By', 'When'], history.toReversed().map((a) => h('tr', {},
    h('td', { class: 'name' }, a.version), h('td', {}, { upload: 'newest upload', activate: 'activated', rollback: 'rolled back' }[a.how] ?? a.how),
    h('td', {}, a.by), h('td', { class: 'when' }, time(a.at)))), 'History');
}

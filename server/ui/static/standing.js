// How plugins and their versions are spoken of, wherever they are: who did what, what
// state they are in, who uses them, and which version is active.

import { path, put } from './api.js';
import { announce, confirmed, h } from './dom.js';
import { follow, throttled } from './events.js';
import { many, time } from './format.js';
import { badge } from './phase.js';

// me is who the user says to be: it goes into the record.
export const me = () => localStorage.getItem('by') ?? '';

// asMe adds that to a path.
export const asMe = (p) => (me() ? `${p}?${new URLSearchParams({ by: me() })}` : p);

// who writes who did something and when.
export const who = (w) => w?.at && [w.by && [h('strong', {}, w.by), ', '], time(w.at)];

// signer writes whose key signed something.
export const signer = (s) => (s ? [s.name && [h('strong', {}, s.name), ', '], 'key ', h('code', { title: s.comment }, s.key)] : 'not signed');

// stateOf is a badge of a version or an upload.
export const stateOf = (v) => badge(v.active && v.state === 'ready' ? 'active' : v.state);

// jobsOf leads to the jobs of a version.
export const jobsOf = (name, version, n) => h('a', { href: `#/jobs?${new URLSearchParams({ plugin: `${name}@${version}` })}` }, many(n, 'job'));

// activated asks, and activates a version. It returns whether it did.
export async function activated(p, version) {
  const now = p.active ? `${p.name} ${p.active} is active.` : `No version of ${p.name} is active.`;
  if (!await confirmed(`${now} Activate ${version}? Jobs that were submitted keep their version.`, 'Activate', { no: 'Leave it' })) return false;
  await put(asMe(path('plugins', p.name, 'active')), { version });
  announce(`${p.name} ${version} is active`);
  return true;
}

// followPlugin calls look, once a second at most, when something about a plugin may have
// changed.
export function followPlugin(place, name, look) {
  const soon = throttled(look, 1000);
  follow(place, { open: soon, plugin: (e) => { if (e.plugin === name) soon(); }, job: (j) => { if (j.spec.routine.startsWith(`${name}/`)) soon(); }, deleted: soon });
}

// How plugins and their versions are spoken of, wherever they are: who did what, what
// state they are in, who uses them, and what a name stands for.

import { path, put } from './api.js';
import { announce, confirmed, h } from './dom.js';
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

// activated asks, and lets a name stand for a version. It returns whether it did.
export async function activated(p, version) {
  const now = p.active ? `${p.name} stands for ${p.active} now.` : `No version of ${p.name} is active.`;
  if (!await confirmed(`${now} Let it stand for ${version}? Jobs that were submitted keep what they have.`, 'Activate', { no: 'Leave it' })) return false;
  await put(asMe(path('plugins', p.name, 'active')), { version });
  announce(`${p.name} stands for ${version}`);
  return true;
}

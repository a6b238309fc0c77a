// What can be run, and how other views lead to the form that runs it.

import { get } from './api.js';
import { h } from './dom.js';

// all lists every routine with its plugin: {...routine, ref, plugin, version, digest}.
export async function all() {
  const { plugins } = await get('/routines');
  return plugins.flatMap((p) => p.routines.map((r) => ({ ...r, ref: `${p.name}/${r.name}`, plugin: p.name, version: p.version, digest: p.digest })));
}

export async function routineOf(ref) {
  return (await all()).find((r) => r.ref === ref);
}

// usesOf makes links to the routines that could read a table. Without its columns
// every routine with one input is offered: the server has the last word.
export async function usesOf(source, columns) {
  const fit = (await all()).filter((r) => r.inputs?.length === 1 && fits(r.inputs[0], columns));
  if (fit.length === 0) return [];
  const link = (r) => h('a', { href: `#/run/${r.ref}?${new URLSearchParams({ [r.inputs[0].name]: source })}` }, r.ref);
  return ['Use it in: ', fit.map((r, i) => [i > 0 && ' · ', link(r)])];
}

const fits = (input, columns) => !columns || (input.columns ?? []).every((want) => columns.some((c) => c.name === want.name));

// remember keeps the spec of a job that is to be run again, for the form to find.
export function remember(spec) {
  sessionStorage.setItem('again', JSON.stringify(spec));
}

// remembered returns it, once.
export function remembered(ref) {
  const spec = JSON.parse(sessionStorage.getItem('again') ?? '{}');
  sessionStorage.removeItem('again');
  return spec.routine === ref ? spec : {};
}

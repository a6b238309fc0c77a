// What can be run, and how other views lead to the form that runs it.

import { get, path } from './api.js';
import { h } from './dom.js';

// all lists every routine that can be run without naming a version:
// {...routine, ref, plugin, version, digest}.
export async function all() {
  const { plugins } = await get('/routines');
  return plugins.flatMap((p) => routinesOf(p, p.name));
}

// ofVersion lists the routines of one version, which need not be the active one.
export async function ofVersion(plugin, version) {
  const v = await get(path('plugins', plugin, 'versions', version));
  return routinesOf(v.report.plugin, `${plugin}@${version}`);
}

// What a job can be of: importers run when their file comes.
const routinesOf = (p, name) => p.routines.filter((r) => r.kind !== 'importer').map((r) => ({ ...r, ref: `${name}/${r.name}`, plugin: p.name, version: p.version, digest: p.digest }));

// ranBy finds the routine that a job ran: the active version's if that is the
// same, or else that of its version, if it is still there.
export async function ranBy(spec) {
  const now = (await all()).find((r) => r.ref === spec.routine);
  if (now?.digest === spec.digest) return now;
  const [plugin, name] = spec.routine.split('/');
  try {
    const p = await get(path('plugins', plugin));
    if (!p.versions.some((v) => v.digest === spec.digest)) return undefined;
    return (await ofVersion(plugin, spec.version)).find((r) => r.name === name);
  } catch { return undefined; } // the plugin is gone
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

// againKey is what names the job that is run again in the address of the form. No input has
// such a name.
export const againKey = '~again';

// The fields that choose a routine's input tables: datasets, and tables of jobs.

import { get } from './api.js';
import { h } from './dom.js';
import { field } from './fields.js';
import { many, time } from './format.js';

// sources lists the tables that can be chosen: {source, about}.
export async function sources() {
  const [{ datasets }, { jobs }] = await Promise.all([get('/datasets'), get('/jobs?limit=100')]);
  return [
    ...datasets.flatMap((d) => d.tables.map((t) => ({
      source: d.tables.length === 1 ? d.name : `${d.name}/${t.name}`,
      about: `dataset, ${many(t.rows, 'row')}`,
    }))),
    ...jobs.flatMap((j) => (j.outcome?.tables ?? []).map((t) => ({
      source: `job:${j.id}/${t.name}`,
      about: `${t.name} of ${j.spec.routine}, ${many(t.rows, 'row')}, ${time(j.created)}`,
    }))),
  ];
}

// input makes the field of one input. Any source can be typed: a job that still
// runs is waited for.
export function input(declared, known, given) {
  const list = `sources-${declared.name}`;
  const only = known.length === 1 ? known[0].source : '';
  const control = h('input', {
    list, value: given ?? only, autocomplete: 'off', spellcheck: 'false', placeholder: 'a dataset, or job:ID/TABLE',
  });
  const hint = [
    declared.title && `${declared.title}.`,
    declared.columns?.length > 0 && `Columns: ${declared.columns.map((c) => c.name).join(', ')}.`,
  ].filter(Boolean).join(' ');
  const f = field({
    path: `inputs.${declared.name}`, name: declared.name, title: declared.name, hint, control, required: !declared.optional,
    value: control.value || undefined, read: () => control.value.trim() || undefined,
  });
  f.node.append(h('datalist', { id: list }, known.map((s) => h('option', { value: s.source }, s.about))));
  if (known.length === 0) f.node.querySelector('.hint').append(' There are no tables yet: ', h('a', { href: '#/datasets' }, 'upload one'), '.');
  return f;
}

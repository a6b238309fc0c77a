// What a routine takes and gives, from its manifest: for reading, not for filling in.

import { h, stacked } from './dom.js';
import { brief } from './format.js';
import { range, secretIn } from './fields.js';

// routine shows a routine that a ref runs. how is what running it is called here: Run,
// Try, or nothing where it cannot be.
export function routine(r, ref, how) {
  const params = r.params?.['x-order'] ?? Object.keys(r.params?.properties ?? {});
  const inner = [params.length > 0 && paramTable(r.params, params), r.inputs?.length > 0 && inputTable(r.inputs), r.outputs?.length > 0 && outputTable(r.outputs)].filter(Boolean);
  return h('li', {},
    how && r.kind !== 'importer' && h('a', { class: 'button', href: `#/run/${ref}`, 'aria-label': `${how} ${ref}` }, how),
    h('div', { class: 'wide' }, h('strong', {}, r.title), ' ', h('code', { class: 'soft' }, r.name), h('span', { class: 'soft small' }, ` ${r.kind}`),
      r.summary && h('p', {}, r.summary),
      inner.length > 0 ? h('details', {}, h('summary', { class: 'soft small' }, 'Schema'), inner) : h('p', { class: 'soft small' }, 'It takes no params and no tables.')));
}

function paramTable(schema, names) {
  const required = schema.required ?? [];
  return stacked(['Param', 'Type', 'Default', 'Meaning'], names.map((n) => {
    const s = schema.properties[n] ?? {};
    const type = [s.enum ? s.enum.map(String).join(' | ') : [s.type].flat().join(' or ') || 'any', s.type === 'array' && s.items?.type && ` of ${s.items.type}`, s['x-unit'] && `, ${s['x-unit']}`].filter(Boolean).join('');
    const meaning = [s.title && s.title !== n && `${s.title}.`, s.description, range(s)].filter(Boolean).join(' ');
    return h('tr', {}, h('td', { class: 'name' }, h('code', {}, n)), h('td', {}, type), h('td', { class: s.default !== undefined && 'default' }, s.default !== undefined ? (secretIn(schema, n) ? 'hidden' : brief(s.default)) : required.includes(n) ? 'must be given' : ''), h('td', { class: 'text' }, meaning));
  }), 'Params');
}

const inputTable = (inputs) => stacked(['Input', 'Columns', 'Meaning'], inputs.map((i) => h('tr', {}, h('td', { class: 'name' }, h('code', {}, i.name)),
  h('td', { class: 'text' }, (i.columns ?? []).map((c) => (c.type ? `${c.name} (${c.type})` : c.name)).join(', ') || 'any'),
  h('td', { class: 'text' }, [i.title && `${i.title}.`, i.optional && 'Optional.', i.min_rows > 0 && `At least ${i.min_rows} rows.`].filter(Boolean).join(' ')))), 'Inputs');

const outputTable = (outputs) => stacked(['Output', 'Meaning'], outputs.map((o) => h('tr', {}, h('td', { class: 'name' }, h('code', {}, o.name)), h('td', { class: 'text' }, o.title))), 'Outputs');

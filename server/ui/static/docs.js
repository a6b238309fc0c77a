// Renders /openapi.json for people.

import { card, h, rows } from './dom.js';

const main = document.getElementById('main');
const api = await (await fetch('/openapi.json')).json();

function typeOf(s) {
  if (!s) return '';
  if (s.$ref) return h('a', { href: `#${s.$ref.split('/').pop()}` }, s.$ref.split('/').pop());
  const t = [s.type].flat().filter((x) => x && x !== 'null').join(' or ') || 'any';
  if (t === 'array') return h('span', {}, 'list of ', typeOf(s.items));
  return s.enum ? s.enum.join(' | ') : t;
}

// resolved follows a reference to something shared.
function resolved(x) {
  return x.$ref ? x.$ref.split('/').slice(1).reduce((at, name) => at[name], api) : x;
}

function operation(method, path, op) {
  const params = (op.parameters ?? []).map((p) => h('tr', {}, h('td', {}, h('code', {}, p.name)), h('td', {}, p.in), h('td', {}, typeOf(p.schema)), h('td', {}, p.description ?? '')));
  const body = op.requestBody && Object.entries(op.requestBody.content).map(([media, c]) => h('p', {}, `body ${media}: `, typeOf(c.schema)));
  const answers = Object.entries(op.responses).map(([status, r]) => [status, resolved(r)]).map(([status, r]) => h('li', {}, `${status} ${r.description} `,
    Object.entries(r.content ?? {}).map(([media, c]) => h('span', {}, media, ' ', typeOf(c.schema), ' '))));
  return h('details', { class: 'card', id: op.operationId }, h('summary', {}, h('strong', {}, method.toUpperCase()), ' ', h('code', {}, path), ' ', op.summary), h('p', {}, op.description),
    params.length ? rows(['name', 'in', 'type', ''], params, 'Parameters') : null, body, h('ul', {}, answers));
}

const byTag = { jobs: [], datasets: [], catalog: [], events: [], server: [] }; // in this order
for (const [path, item] of Object.entries(api.paths)) {
  for (const [method, op] of Object.entries(item)) (byTag[op.tags?.[0] ?? 'other'] ??= []).push(operation(method, path, op));
}
main.append(h('p', {}, api.info.description), ...Object.entries(byTag).filter(([, ops]) => ops.length).map(([tag, ops]) => h('section', {}, h('h2', {}, tag), ops)),
  h('h2', {}, 'Types'), ...Object.entries(api.components.schemas).map(([name, s]) => card(name, s.description ? h('p', {}, s.description) : null, s.enum ? h('p', {}, s.enum.join(' | ')) : null,
    !s.properties ? null : rows(['field', 'type', ''], Object.entries(s.properties).map(([f, p]) => h('tr', {}, h('td', {}, h('code', {}, f)), h('td', {}, typeOf(p)), h('td', {}, p.description ?? ''))), name))));
for (const e of main.querySelectorAll('section.card')) e.id = e.querySelector('h2').textContent;

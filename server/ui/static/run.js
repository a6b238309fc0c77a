// The form that submits a job: inputs, params by the routine's JSON Schema, and
// what few need under "More".

import { post } from './api.js';
import { all, ofVersion, remembered } from './catalog.js';
import { card, empty, fill, h, problem } from './dom.js';
import { input, sources } from './inputs.js';
import { param, plain } from './fields.js';

export async function run(place, ref, query) {
  const [plugin, wanted] = ref.split('/')[0].split('@');
  const active = await all();
  // A version that is named is tried: it is offered beside what is active.
  const tried = wanted ? await ofVersion(plugin, wanted) : [];
  const routines = [...tried, ...active];
  if (routines.length === 0) {
    fill(place, h('h1', {}, 'Run a routine'), empty('There is nothing to run', 'This server was built without its plugins: run make build.'));
    return;
  }
  const routine = routines.find((r) => r.ref === (ref || routines[0].ref));
  if (!routine) throw { title: 'There is no such routine', detail: `${ref} is not among the plugins of this server.` };
  const now = active.find((r) => r.plugin === plugin);
  fill(place, h('h1', {}, 'Run a routine'), tried.length > 0 && now?.version !== wanted && trial(routine, now),
    await form(routine, picker(active, tried, routine), query));
}

// trial says that this is not what others get who name the plugin only.
function trial(routine, now) {
  return h('p', { class: 'card note' }, 'This runs ', h('a', { href: `#/plugins/${routine.plugin}/${routine.version}` }, `${routine.plugin} ${routine.version}`),
    now ? [', which is not active: ', h('a', { href: `#/run/${now.plugin}/${routine.name}` }, `${now.plugin} ${now.version}`), ' is.'] : ', and no version of it is active.');
}

function picker(active, tried, chosen) {
  const option = (r) => h('option', { value: r.ref, selected: r === chosen }, `${r.title} (${r.ref})`);
  const group = (name, routines) => h('optgroup', { label: name }, routines.map(option));
  const select = h('select', { id: 'routine', onchange: () => { location.hash = `#/run/${select.value}`; } },
    tried.length > 0 && group(`${chosen.plugin} ${chosen.version}`, tried),
    [...new Set(active.map((r) => r.plugin))].map((p) => group(p, active.filter((r) => r.plugin === p))));
  return h('div', { class: 'field' }, h('label', { for: 'routine' }, 'Routine'), select);
}

async function form(routine, pick, query) {
  const before = remembered(routine.ref);
  const given = (name) => query.get(name) ?? before.inputs?.[name]?.source;
  const schema = routine.params ?? {};
  const known = routine.inputs?.length ? await sources() : [];
  const inputs = (routine.inputs ?? []).map((i) => input(i, known, given(i.name)));
  const params = (schema['x-order'] ?? Object.keys(schema.properties ?? {}))
    .map((n) => param(n, schema.properties[n], (schema.required ?? []).includes(n), before.params?.[n]));
  const more = extras(before);
  const fields = [...inputs, ...params, ...more];
  const wrong = h('div');
  const submit = h('button', { class: 'main', id: 'submit' }, 'Run');
  const folded = h('details', {}, h('summary', {}, 'More: seed, labels, priority, limits'), h('div', { class: 'fields' }, more.map((f) => f.node)));
  // A browser cannot point at what is wrong inside a folded part.
  folded.addEventListener('invalid', () => { folded.open = true; }, true);

  const send = async (e) => {
    e.preventDefault();
    fields.forEach((f) => f.say(''));
    fill(wrong);
    submit.disabled = true;
    try {
      const j = await post('/jobs', request(routine.ref, inputs, params, more));
      location.hash = `#/jobs/${j.id}`;
    } catch (err) {
      const [first, rest] = point(fields, err);
      if (first && more.includes(first)) folded.open = true;
      first?.focus();
      fill(wrong, rest && problem(rest));
    } finally {
      submit.disabled = false;
    }
  };
  return h('form', { onsubmit: send },
    h('section', { class: 'card' }, pick, h('p', { class: 'soft' }, routine.summary)),
    inputs.length > 0 && card('Data', h('div', { class: 'fields' }, inputs.map((f) => f.node))),
    params.length > 0 && card('Params', h('div', { class: 'fields' }, params.map((f) => f.node))),
    h('section', { class: 'card' }, folded),
    wrong, submit);
}

function extras(before) {
  const whole = { inputmode: 'numeric', pattern: '[0-9]*', title: 'a whole number' };
  const labels = Object.entries(before.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(', ');
  return [
    plain('seed', 'Seed', 'The same seed gives the same result. One is drawn if this is empty.', before.seed ?? '', whole),
    plain('labels', 'Labels', 'key=value, parted by commas', labels, { pattern: '\\s*([^=,]+=[^,]*(,|$)\\s*)*', title: 'key=value, parted by commas' }),
    plain('priority', 'Priority', 'low, normal or high; normal if this is empty', { '-1': 'low', 1: 'high' }[before.priority] ?? '', { pattern: 'low|normal|high', title: 'low, normal or high' }),
    plain('limits.memory_bytes', 'Memory limit, MiB', 'The server’s default if this is empty', mebibytes(before.limits?.memory_bytes), { type: 'number', min: 1, step: 'any' }),
    plain('limits.wall_seconds', 'Time limit, seconds', 'Of running; pauses do not count', before.limits?.wall_seconds ?? '', { type: 'number', min: 0, step: 'any' }),
    plain('limits.output_bytes', 'Output limit, MiB', 'Result, tables and files together', mebibytes(before.limits?.output_bytes), { type: 'number', min: 0, step: 'any' }),
  ];
}

const mebibytes = (n) => (n ? n / 2 ** 20 : '');

// request makes the body from the fields. What is empty is left to the server.
function request(routine, inputs, params, more) {
  const filled = (fields) => Object.fromEntries(fields.map((f) => [f.name, f.read()]).filter(([, v]) => v !== undefined && v !== ''));
  const { seed, labels, priority, ...limits } = filled(more);
  for (const [name, value] of Object.entries(limits)) {
    delete limits[name];
    limits[name.replace('limits.', '')] = name.endsWith('_bytes') ? Math.round(value * 2 ** 20) : Number(value);
  }
  return {
    routine,
    params: filled(params),
    inputs: filled(inputs),
    seed: seed && Number(seed),
    labels: labels && Object.fromEntries(labels.split(',').filter((l) => l.trim()).map((l) => l.trim().split(/=(.*)/s, 2))),
    priority,
    // The server wants every limit named; it takes 0 for its default.
    limits: Object.keys(limits).length ? { memory_bytes: 0, wall_seconds: 0, output_bytes: 0, log_bytes: 0, ...limits } : undefined,
  };
}

// point says each error at its field. It returns the first such field, and the
// problem if there is more to it.
function point(fields, err) {
  let first;
  const placed = (err.errors ?? []).filter(({ field, message }) => {
    const at = fields.find((f) => f.is(field));
    at?.say(message);
    first ??= at;
    return at;
  });
  return [first, placed.length > 0 && placed.length === err.errors.length ? undefined : err];
}

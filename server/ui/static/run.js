// The form that submits a job: inputs, params by the routine's JSON Schema, and
// what few need under "More".

import { get, path, post } from './api.js';
import { againKey, all, ofVersion } from './catalog.js';
import { card, empty, fill, h, problem } from './dom.js';
import { inOrder, oneOf, param, plain, point, several } from './fields.js';
import { input, sources } from './inputs.js';
import { own, parse, write } from './json.js';
import { jobLink } from './phase.js';
import { size, time, whole, within } from './units.js';

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
  const select = h('select', { id: 'routine' },
    tried.length > 0 && group(`${chosen.plugin} ${chosen.version}`, tried),
    [...new Set(active.map((r) => r.plugin))].map((p) => group(p, active.filter((r) => r.plugin === p))));
  // Arrows move through the choices: only the button means one of them.
  const choose = h('button', { type: 'button', id: 'choose', onclick: () => { location.hash = `#/run/${select.value}`; } }, 'Choose');
  return h('div', { class: 'field' }, h('label', { for: 'routine' }, 'Routine'), h('div', { class: 'choose' }, select, choose));
}

async function form(routine, pick, query) {
  const from = query.get(againKey);
  const job = from ? await get(path('jobs', from)) : undefined; // that is run again
  const spec = job?.spec;
  const schema = routine.params ?? {};
  const known = routine.inputs?.length ? await sources() : [];
  const inputs = (routine.inputs ?? []).map((i) => input(i, known, query.get(i.name) ?? own(spec?.inputs, i.name)?.source));
  const params = inOrder(schema, schema.properties ?? {}).map((n) => param(n, schema.properties[n], (schema.required ?? []).includes(n), own(spec?.params, n), schema));
  const more = extras(spec);
  const carried = spec ? carriedOver(job, schema) : [];
  const wrong = h('div');
  const submit = h('button', { class: 'main', id: 'submit' }, 'Run');
  const folded = h('details', { open: asksMore(spec) }, h('summary', {}, 'More: seed, labels, priority, limits, locks'), h('div', { class: 'fields' }, more.map((f) => f.node)));
  const fields = [...inputs, ...params, ...more];
  const lead = (f) => {
    if (more.includes(f)) folded.open = true; // nothing can be seen in what is folded
    f?.focus();
  };

  const send = async (e) => {
    e.preventDefault();
    fill(wrong);
    const failing = fields.filter((f) => !f.check());
    if (failing.length > 0) {
      lead(failing[0]);
      return;
    }
    submit.disabled = true;
    try {
      const j = await post('/jobs', request(routine.ref, inputs, params, more, carried));
      location.hash = `#/jobs/${j.id}`;
    } catch (err) {
      const [first, rest] = point(fields, err);
      lead(first);
      fill(wrong, rest && problem(rest));
    } finally {
      submit.disabled = false;
    }
  };
  return h('form', { novalidate: true, onsubmit: send },
    h('section', { class: 'card' }, pick, h('p', { class: 'soft' }, routine.summary), job && h('p', { class: 'soft small' }, 'Filled in as ', jobLink(job.id), ' was.')),
    inputs.length > 0 && card('Data', h('div', { class: 'fields' }, inputs.map((f) => f.node))),
    params.length > 0 && card('Params', h('div', { class: 'fields' }, params.map((f) => f.node))),
    carriedCard(carried),
    h('section', { class: 'card' }, folded),
    wrong, submit);
}

// carriedOver is what a job was given that no field has: {name, shown, path, value}.
function carriedOver(job, schema) {
  const { params, queue_key: queued } = job.spec;
  const unknown = Object.keys(params).filter((n) => !Object.hasOwn(schema.properties ?? {}, n));
  return [
    ...unknown.map((n) => ({ name: `Param ${n}`, shown: write(params[n]), path: ['params', n], value: params[n] })),
    job.tenant !== 'default' && { name: 'Tenant', shown: job.tenant, path: ['tenant'], value: job.tenant },
    queued && { name: 'At most one queued', shown: 'an identical job that waits already is given instead', path: ['skip_if_queued'], value: true },
  ].filter(Boolean);
}

function carriedCard(carried) {
  if (carried.length === 0) return null;
  const list = h('ul', { class: 'plain', id: 'carried' }, carried.map((c) => {
    const item = h('li', {}, h('strong', {}, c.name), ` ${c.shown} `, h('button', { type: 'button', class: 'small', 'aria-label': `Leave out ${c.name}`, onclick: () => {
      carried.splice(carried.indexOf(c), 1);
      item.remove();
    } }, 'Leave out'));
    return item;
  }));
  return card('Carried over', h('p', { class: 'soft small' }, 'No field has these: the new job gets them as they are.'), list);
}

const maxSeed = 2 ** 53 - 1; // what the server takes
const seeds = { ...whole, read: (text) => within(whole.read(text), 0, maxSeed) };
const labels = {
  read: (lines) => {
    if (lines[0].trim().startsWith('{')) return parse(lines.join('\n'));
    return Object.fromEntries(lines.map((line) => {
      const at = line.indexOf('=');
      if (at < 1) throw `${line}: want KEY=VALUE`;
      return [line.slice(0, at), line.slice(at + 1)];
    }));
  },
  write: (all) => (Object.entries(all).some(([k, v]) => /[\r\n]/.test(k + v) || k.trimStart().startsWith('{')) ? write(all) : Object.entries(all).map(([k, v]) => `${k}=${v}`).join('\n')),
};
const locks = {
  read: (lines) => lines.map((line) => {
    const [name, limit = '1'] = line.trim().split('=');
    return { name, limit: within(whole.read(limit), 1) };
  }),
  write: (all) => all.map(({ name, limit }) => (limit > 1 ? `${name}=${limit}` : name)).join('\n'),
};
const ids = { read: (lines) => lines.map((line) => line.trim()), write: (all) => all.join('\n') };

// asksMore reports whether a job that is run again has more than what is asked of everyone.
const asksMore = (spec) => Boolean(spec && (spec.labels || spec.locks || spec.after || spec.priority || !spec.cache_key));

function extras(spec) {
  const has = (o) => (o && Object.keys(o).length > 0 ? o : undefined);
  const limit = (name, title, hint, kind) => plain(`limits.${name}`, title, hint, own(spec?.limits, name), kind);
  return [
    plain('seed', 'Seed', 'The same seed gives the same result. One is drawn if this is empty.', spec?.seed, seeds),
    several('labels', 'Labels', 'KEY=VALUE, one a line.', has(spec?.labels), labels),
    oneOf('priority', 'Priority', '', { '-1': 'low', 1: 'high' }[spec?.priority], [['', 'normal'], ['low', 'low'], ['high', 'high']]),
    oneOf('cache', 'Result', 'Equal jobs have equal results.', spec && !spec.cache_key ? 'off' : undefined, [['', 'may come from an equal job'], ['off', 'of a run of its own']]),
    several('locks', 'Locks', 'Names of locks that it holds while it runs, or NAME=HOLDERS where several jobs may hold one.', has(spec?.locks), locks),
    several('after', 'Comes after', 'Ids of jobs that must complete first.', has(spec?.after), ids),
    limit('memory_bytes', 'Memory limit', 'The server’s default if this is empty.', size),
    limit('wall_seconds', 'Time limit', 'Of running; pauses do not count.', time),
    limit('cpu_seconds', 'CPU time limit', '', time),
    limit('output_bytes', 'Output limit', 'Result, tables and files together.', size),
    limit('log_bytes', 'Log limit', '', size),
    limit('artifacts', 'Files', 'How many it may make.', whole),
    limit('gas', 'Gas limit', 'What its instructions may cost; no limit if this is empty.', whole),
  ];
}

// request makes the body from the fields. What is not set is left to the server.
function request(routine, inputs, params, more, carried) {
  const set = (fields) => Object.fromEntries(fields.map((f) => [f.name, f.read()]).filter(([, v]) => v !== undefined));
  const { limits, ...plainly } = Object.groupBy(Object.entries(set(more)), ([name]) => (name.startsWith('limits.') ? 'limits' : 'rest'));
  const body = { routine, params: set(params), inputs: set(inputs), ...Object.fromEntries(plainly.rest ?? []) };
  if (limits) body.limits = Object.fromEntries(limits.map(([name, v]) => [name.replace('limits.', ''), v]));
  for (const { path: [name, member], value } of carried) {
    if (member === undefined) body[name] = value;
    else Object.defineProperty(body[name], member, { value, enumerable: true }); // also one that is called __proto__
  }
  return body;
}

// The form to run a routine, made from its JSON Schema.

import { get, post } from './api.js';
import { card, h, problem } from './dom.js';

export async function run(main, name) {
  const { plugins } = await get('/routines');
  const all = plugins.flatMap((p) => p.routines.map((r) => ({ ...r, ref: `${p.name}/${r.name}` })));
  if (!name && all.length) name = all[0].ref;
  const routine = all.find((r) => r.ref === name);
  const pick = h('select', { onchange: (e) => { location.hash = `#/run/${e.target.value}`; } }, all.map((r) => h('option', { value: r.ref, selected: r.ref === name }, `${r.ref}: ${r.title}`)));
  main.replaceChildren(h('h1', {}, 'Run a routine'), h('div', { class: 'field' }, h('label', {}, 'Routine', pick)));
  if (!routine) { main.append(h('p', { class: 'soft' }, `There is no routine ${name}.`)); return () => {}; }
  main.append(await form(routine));
  return () => {};
}

// again is the job to run again, if the page was left for that.
function again(ref) {
  const spec = JSON.parse(sessionStorage.getItem('again') ?? 'null');
  sessionStorage.removeItem('again');
  return spec?.routine === ref ? spec : {};
}

async function form(routine) {
  const before = again(routine.ref);
  const props = routine.params.properties ?? {};
  const required = routine.params.required ?? [];
  const order = routine.params['x-order'] ?? Object.keys(props);
  const fields = order.map((n) => param(n, props[n], required.includes(n), before.params?.[n]));
  const inputs = await Promise.all((routine.inputs ?? []).map((i) => input(i, before.inputs?.[i.name]?.source)));
  const seed = plain('seed', 'Seed', 'Whole number; drawn if empty.', before.seed ?? '', { inputmode: 'numeric' });
  const labels = plain('labels', 'Labels', 'key=value, parted by spaces.', Object.entries(before.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(' '));
  const memory = plain('limits.memory_bytes', 'Memory limit', 'MiB', '', { type: 'number', min: 1 });
  const wall = plain('limits.wall_seconds', 'Time limit', 'Seconds of running time', '', { type: 'number', min: 0, step: 'any' });
  const every = [...fields, ...inputs, seed, labels, memory, wall];
  const wrong = h('div');
  const submit = h('button', { class: 'main', id: 'submit' }, 'Run');

  const request = () => {
    const limits = {};
    if (memory.read()) limits.memory_bytes = Math.round(Number(memory.read()) * 2 ** 20);
    if (wall.read()) limits.wall_seconds = Number(wall.read());
    return {
      routine: routine.ref,
      params: Object.fromEntries(fields.map((f) => [f.key, f.read()]).filter(([, v]) => v !== undefined)),
      inputs: Object.fromEntries(inputs.map((f) => [f.key, f.read()]).filter(([, v]) => v)),
      seed: seed.read() ? Number(seed.read()) : undefined,
      labels: Object.fromEntries(labels.read().split(/\s+/).filter(Boolean).map((l) => [l.split('=')[0], l.split('=').slice(1).join('=')])),
      limits: Object.keys(limits).length ? limits : undefined,
    };
  };
  const f = h('form', {
    class: 'card', novalidate: false, onsubmit: async (e) => {
      e.preventDefault();
      every.forEach((x) => x.say(''));
      wrong.replaceChildren();
      submit.disabled = true;
      try {
        const j = await post('/jobs', request());
        location.hash = `#/jobs/${j.id}`;
      } catch (err) {
        const placed = (err.errors ?? []).filter((one) => every.some((x) => x.matches(one.field) && (x.say(one.message), true)));
        if (!placed.length || placed.length < err.errors.length) wrong.replaceChildren(problem(err));
      } finally { submit.disabled = false; }
    },
  }, h('p', { class: 'soft' }, routine.summary), inputs.map((x) => x.node), fields.map((x) => x.node),
  h('details', {}, h('summary', {}, 'Seed, labels and limits'), h('p'), [seed, labels, memory, wall].map((x) => x.node)), h('p'), wrong, submit);
  return f;
}

// field wraps a control with its label, hint and place for what is wrong.
function field(path, key, title, hint, control, read) {
  const id = `f-${path.replace(/[^a-z0-9]/gi, '-')}`;
  control.id = id;
  const wrong = h('div', { class: 'wrong', id: `${id}-wrong`, role: 'alert' });
  control.setAttribute('aria-describedby', `${id}-hint ${id}-wrong`);
  return {
    key, read,
    matches: (p) => p === path || p.startsWith(path + '/') || p === `body.${path}`,
    say: (text) => { wrong.textContent = text; control.toggleAttribute('aria-invalid', !!text); },
    node: h('div', { class: 'field' }, h('label', { for: id }, title), control, h('div', { class: 'hint', id: `${id}-hint` }, hint), wrong),
  };
}

function plain(path, title, hint, value, attrs = {}) {
  const control = h('input', { ...attrs, value: String(value) });
  return field(path, path, title, hint, control, () => control.value.trim());
}

function param(name, s, required, given) {
  const value = given ?? s.default;
  const unit = s['x-unit'] ? ` (${s['x-unit']})` : '';
  const title = (s.title ?? name) + unit;
  const hint = [s.description, s.minimum !== undefined && `at least ${s.minimum}`, s.maximum !== undefined && `at most ${s.maximum}`, s.default !== undefined && `default ${JSON.stringify(s.default)}`]
    .filter(Boolean).join(' · ');
  const make = (control, read) => field(`params.${name}`, name, title, hint, control, read);
  if (s.enum) {
    const control = h('select', {}, s.enum.map((v) => h('option', { value: String(v), selected: v === value }, String(v))));
    return make(control, () => s.enum[control.selectedIndex]);
  }
  if (s.type === 'boolean') {
    const control = h('input', { type: 'checkbox', checked: !!value });
    return make(control, () => control.checked);
  }
  if (s.type === 'integer' || s.type === 'number') {
    const control = h('input', { type: 'number', step: s.type === 'integer' ? '1' : 'any', min: str(s.minimum), max: str(s.maximum), required, value: str(value) ?? '' });
    return make(control, () => (control.value === '' ? undefined : Number(control.value)));
  }
  if (s.type === 'array') {
    const control = h('input', { value: (value ?? []).join(', '), placeholder: 'parted by commas' });
    return make(control, () => (control.value.trim() ? control.value.split(',').map((v) => v.trim()) : undefined));
  }
  const control = h('input', { required, value: value ?? '' });
  return make(control, () => (control.value === '' ? undefined : control.value));
}

const str = (v) => (v === undefined || v === null ? undefined : String(v));

// input offers the datasets and the newest tables of jobs; anything else can be
// typed.
async function input(decl, given) {
  const [{ datasets }, { jobs }] = await Promise.all([get('/datasets'), get('/jobs?limit=50')]);
  const names = [
    ...datasets.flatMap((d) => (d.tables.length === 1 ? [d.name] : d.tables.map((t) => `${d.name}/${t.name}`))),
    ...jobs.flatMap((j) => (j.outcome?.tables ?? []).map((t) => `job:${j.id}/${t.name}`)),
  ];
  const listID = `sources-${decl.name}`;
  const control = h('input', { list: listID, required: !decl.optional, value: given ?? (names.length === 1 ? names[0] : ''), placeholder: 'dataset, or job:ID/TABLE' });
  control.setAttribute('list', listID);
  const f = field(`inputs.${decl.name}`, decl.name, `Input ${decl.name}`, decl.title ?? '', control, () => control.value.trim());
  f.node.append(h('datalist', { id: listID }, names.map((n) => h('option', { value: n }))));
  return f;
}

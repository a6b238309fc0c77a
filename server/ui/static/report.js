// What was found of a module: the steps of its verification, and why it was refused
// if it was. While it is verified the steps show as they are taken.

import { facts, h, linked, refresh, rows } from './dom.js';
import { bytes, count, duration, many } from './format.js';

const steps = {
  signature: 'Signature',
  vet: 'Format and limits',
  rewrite: 'Metering built in',
  compile: 'Compiled',
  image: 'Image of its memory',
  describe: 'Manifest and schemas',
  examples: 'Its own examples',
  version: 'Version',
};
const always = ['vet', 'rewrite', 'compile', 'describe', 'examples']; // that every module takes

// report shows an upload's report in place: update(view) changes it.
export function report() {
  const node = h('div', { class: 'report' });
  const update = (v) => {
    const r = v.report ?? {};
    refresh(node, h('ol', { class: 'steps', 'aria-label': 'Checks' }, lines(v, r)), examples(r.examples ?? []), r.refusal && refusal(r.refusal));
  };
  return { node, update };
}

// lines are the steps taken, the one that is being taken, and those to come.
function lines(v, r) {
  const decided = v.state !== 'verifying';
  const taken = (r.steps ?? []).map((s) => (s.name === r.refusal?.check ? line(s.name, 'failed', s.seconds) : line(s.name, 'passed', s.seconds)));
  const names = (r.steps ?? []).map((s) => s.name);
  if (r.refusal?.check && !names.includes(r.refusal.check)) taken.push(line(r.refusal.check, 'failed'));
  if (decided) return taken;
  const now = r.now && !names.includes(r.now) && r.now;
  const ahead = always.slice(always.indexOf([...names, now].findLast((n) => always.includes(n))) + 1);
  return [...taken, now && line(now, 'running'), ...ahead.map((n) => line(n, 'ahead'))];
}

const said = { passed: 'passed', failed: 'not passed', running: 'now', ahead: 'to come' };

const line = (name, state, seconds) => h('li', { class: state, 'data-step': name },
  h('span', { class: 'mark', 'aria-hidden': 'true' }), h('span', {}, steps[name] ?? name),
  h('span', { class: 'soft small' }, state === 'passed' ? duration(seconds) : said[state]), state === 'passed' && h('span', { class: 'unseen' }, 'passed'));

const shown = 6; // examples that need no click

function examples(list) {
  if (list.length === 0) return null;
  const failed = list.filter((x) => !x.passed);
  const body = h('ul', { class: 'examples' }, list.map((x) => h('li', { class: x.passed ? 'passed' : 'failed' },
    h('span', { class: 'mark', 'aria-hidden': 'true' }), h('span', {}, `${x.routine}: ${x.name}`), h('span', { class: 'soft small' }, x.passed ? duration(x.seconds) : 'not passed'))));
  if (list.length <= shown) return body;
  return h('details', {}, h('summary', {}, `${many(list.length, 'example')}, ${failed.length ? `${count(failed.length)} not passed` : 'all passed'}`), body);
}

// refusal says which check was not passed, where, what was found and what would pass.
function refusal(x) {
  return h('div', { class: 'problem', role: 'alert' },
    h('strong', {}, `Refused: ${x.code}`),
    h('p', { class: 'text', tabindex: x.detail.length > 600 && 0 }, linked(x.detail)),
    facts([
      ['Check', x.check && (steps[x.check] ?? x.check)],
      ['Where', placeOf(x)],
      ['Found', long(x.found)],
      ['Would pass', long(x.want)],
    ]),
    x.docs?.startsWith('/docs/') && h('p', {}, h('a', { href: x.docs }, `About ${x.code}`)));
}

function placeOf(x) {
  if (x.place || !x.where) return x.place;
  const f = x.where.function >= 0 && `function ${x.where.function}${x.where.name ? ` “${x.where.name}”` : ''}, `;
  return `${f || ''}byte ${count(x.where.offset)} of the module`;
}

const long = (text) => text && (text.length > 60 || text.includes('\n') ? h('pre', { tabindex: 0 }, linked(text)) : h('code', {}, linked(text)));

// figures are what was counted of a module, beside the limits.
export function figures(r) {
  const list = r.figures ?? [];
  if (list.length === 0) return null;
  return h('details', {}, h('summary', {}, 'What was counted'),
    r.image && h('p', { class: 'soft small' }, `Its image takes ${bytes(r.image.bytes)}: jobs start from it.`),
    r.plain && h('p', { class: 'soft small' }, `It has no image, so that each job starts it anew: ${r.plain}`),
    r.counted && h('p', { class: 'soft small' }, `Nested calls may take ${bytes(r.counted.stack_bytes)} of stack, of which the largest function takes ${bytes(r.counted.frame_bytes)}.`),
    r.counted?.step_gas && h('p', { class: 'soft small' }, 'The gas that earlier steps spent decides how many steps a simulation is asked for at once, not time.'),
    rows(['Limit', h('th', { scope: 'col', class: 'num' }, 'Found'), h('th', { scope: 'col', class: 'num' }, 'At most')],
      list.map((f) => h('tr', {}, h('td', {}, f.name), h('td', { class: 'num' }, count(f.found)), h('td', { class: 'num' }, f.limit < 0 ? 'any' : count(f.limit)))), 'Figures'));
}

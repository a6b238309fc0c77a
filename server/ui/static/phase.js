// How a job's phase and progress are shown, wherever they are.

import { h } from './dom.js';

export const phases = ['pending', 'running', 'paused', 'completed', 'failed', 'stopped'];

export const final = (j) => ['completed', 'failed', 'stopped'].includes(j.phase);

export const badge = (phase, id) => h('span', { class: `phase ${phase}`, id }, phase);

// progressBar shows how far a job is, in place: update(progress) changes it.
export function progressBar() {
  const bar = h('progress', { max: 1, 'aria-label': 'Progress' });
  const text = h('span', { class: 'soft small' });
  const node = h('span', { class: 'progress' }, bar, text);
  const update = (p) => {
    node.hidden = !p;
    if (!p) return;
    bar.value = p.fraction;
    text.textContent = p.message || `${Math.round(p.fraction * 100)} %`;
  };
  update();
  return { node, update };
}

// wish says what was asked of the job and has not happened yet.
export function wish(j) {
  if (final(j)) return '';
  if (j.desired === 'stop') return 'stopping';
  if (j.desired === 'pause' && j.phase === 'running') return 'pausing';
  if (j.desired === 'run' && j.phase === 'paused') return 'resuming';
  return '';
}

export const jobLink = (id) => h('a', { href: `#/jobs/${id}` }, id.slice(-6));

const shown = 5; // jobs that are linked

const reasons = {
  slots: 'waits for a free slot',
  'node slots': 'waits for a free slot',
  'plugin slots': 'waits for a free slot of its plugin',
  'tenant slots': 'waits for a free slot of its tenant',
  memory: 'waits for memory',
  start: 'starting',
  end: 'ending',
};

// waits says why the job does not run yet, with links to what it waits for, or returns
// nothing.
export function waits(j) {
  const { on, jobs = [], lock } = j.waiting ?? {};
  if (!on) return null;
  const links = jobs.slice(0, shown).map((id, i) => [i > 0 && ', ', jobLink(id)]);
  const more = jobs.length > shown && ` and ${jobs.length - shown} more`;
  if (lock) return ['waits for ', h('a', { href: '#/limits' }, `the lock ${lock}`), links.length > 0 && [': ', links, more, jobs.length > 1 ? ' have it' : ' has it']];
  if (on.startsWith('batch ') && j.spec.batch) return ['waits until ', h('a', { href: `#/batches/${j.spec.batch}` }, 'its batch'), ' is whole'];
  if (links.length === 0) return reasons[on] ?? `waits: ${on}`;
  return [on.startsWith('twin') ? 'waits for the same job, which runs: ' : jobs.length > 1 ? 'waits for jobs ' : 'waits for job ', links, more];
}

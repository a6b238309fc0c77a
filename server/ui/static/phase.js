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

// waits says why the job does not run yet, or returns nothing.
export function waits(j) {
  const on = j.waiting?.on;
  if (!on) return null;
  const [kind, id] = on.split(' ');
  if (kind === 'job') return ['waits for ', h('a', { href: `#/jobs/${id}` }, `job ${id}`)];
  if (on === 'slots') return 'waits for a free slot';
  if (on === 'plugin slots') return 'waits for a free slot of its plugin';
  if (kind === 'plugin') return `waits: ${on}`;
  if (kind === 'twin') return ['waits for ', h('a', { href: `#/jobs/${id}` }, 'the same job, which runs')];
  if (on === 'tenant slots') return 'waits for a free slot of its tenant';
  if (on === 'start') return 'starting';
  if (on === 'end') return 'ending';
  if (on === 'memory') return 'waits for memory';
  return `waits for ${on}`;
}

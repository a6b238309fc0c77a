// Chooses the view from the address. A view draws into main and returns what ends
// it; only the newest navigation counts.

import { problem } from './dom.js';
import { dataset, datasets } from './datasets.js';
import { job } from './job.js';
import { jobs } from './jobs.js';
import { routines } from './routines.js';
import { run } from './run.js';

const main = document.getElementById('main');
let end = () => {};
let turn = 0;

function view(path, params) {
  const [what, ...rest] = path.split('/').filter(Boolean);
  switch (what) {
    case 'run': return run(main, rest.join('/'));
    case 'datasets': return rest.length ? dataset(main, rest[0]) : datasets(main);
    case 'routines': return routines(main);
    case 'jobs': if (rest.length) return job(main, rest[0]);
  }
  return jobs(main, params);
}

async function show() {
  const mine = ++turn;
  end();
  end = () => {};
  const [path, query] = (location.hash.slice(1) || '/jobs').split('?');
  for (const a of document.querySelectorAll('nav a')) {
    a.toggleAttribute('aria-current', a.hash && path.startsWith(a.hash.slice(1)));
  }
  try {
    const stop = await view(path, new URLSearchParams(query));
    if (mine === turn) end = stop; else stop();
  } catch (err) {
    if (mine === turn) main.replaceChildren(problem(err));
  }
}

addEventListener('hashchange', () => { show().then(() => main.focus({ preventScroll: true })); scrollTo(0, 0); });
show();
fetch('/readyz').then((r) => { if (document.getElementById('live').textContent === 'connecting') document.getElementById('live').textContent = r.ok ? 'ready' : 'not ready'; });

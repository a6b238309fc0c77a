// Chooses the view from the part of the address behind #. A view draws into the
// place it is given and returns what ends it, or nothing. Each visit gets a place of
// its own, so a view that answers late draws where nobody looks.

import { h, problem } from './dom.js';
import { batch, batches } from './batches.js';
import { dataset, datasets } from './datasets.js';
import { job } from './job.js';
import { jobs } from './jobs.js';
import { limits } from './limits.js';
import { plugin } from './plugin.js';
import { plugins } from './plugins.js';
import { routines } from './routines.js';
import { run } from './run.js';
import { upload } from './push.js';
import { version } from './version.js';

const main = document.getElementById('main');
let end; // ends the view that is shown
let visit = 0;

function view(place, path, query) {
  const [what, ...rest] = path.split('/').filter(Boolean).map(decodeURIComponent);
  switch (what) {
    case undefined: return jobs(place, query);
    case 'jobs': return rest.length ? job(place, rest[0]) : jobs(place, query);
    case 'run': return run(place, rest.join('/'), query);
    case 'datasets': return rest.length ? dataset(place, rest[0]) : datasets(place);
    case 'batches': return rest.length ? batch(place, rest[0]) : batches(place);
    case 'limits': return limits(place);
    case 'routines': return routines(place);
    case 'plugins': return rest.length > 1 ? version(place, ...rest) : rest.length ? plugin(place, rest[0]) : plugins(place);
    case 'uploads': return upload(place, rest[0]);
  }
  throw { title: 'There is no such page', detail: `Nothing is at ${path}.` };
}

function markInNavigation(path) {
  for (const a of document.querySelectorAll('nav a')) {
    if (a.hash && path.startsWith(a.hash.slice(1))) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
}

async function show() {
  const mine = ++visit;
  end?.();
  end = undefined;
  const [path, query] = (location.hash.slice(1) || '/jobs').split('?');
  markInNavigation(path.replace(/^\/uploads/, '/plugins'));
  const place = h('div');
  main.replaceChildren(place);
  try {
    const stop = await view(place, path, new URLSearchParams(query));
    if (mine === visit) end = stop;
    else stop?.();
  } catch (err) {
    place.replaceChildren(problem(err));
  }
  if (mine !== visit) return;
  const heading = place.querySelector('h1')?.textContent;
  document.title = heading ? `${heading} · Thresher` : 'Thresher';
}

// The skip link's address is not a view's.
document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault();
  main.focus();
});
addEventListener('hashchange', async () => {
  scrollTo(0, 0);
  await show();
  main.focus({ preventScroll: true });
});
show();

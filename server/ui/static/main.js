// Chooses the view from the part of the address behind #. A view draws into the
// place it is given. Each visit gets a place of its own, so a view that answers late
// draws where nobody looks. Places that were left are kept: whoever goes back finds the
// place as it was, with what was typed and how far it was scrolled.

import { h } from './dom.js';
import { batch, batches } from './batches.js';
import { dataset, datasets } from './datasets.js';
import { forget, wake } from './events.js';
import { job } from './job.js';
import { jobs } from './jobs.js';
import { limits } from './limits.js';
import { plugin } from './plugin.js';
import { plugins } from './plugins.js';
import { trying } from './retry.js';
import { routines } from './routines.js';
import { run } from './run.js';
import { upload } from './push.js';
import { version } from './version.js';

const main = document.getElementById('main');
const most = 20; // visits that are kept
const visits = new Map(); // id of an entry of the history → visit, the newest last
let now; // the visit that is shown

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
  throw { status: 404, title: 'There is no such page', detail: `Nothing is at ${path}.` };
}

function markInNavigation(path) {
  for (const a of document.querySelectorAll('nav a')) {
    if (a.hash && path.startsWith(a.hash.slice(1))) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
}

// entry names the entry of the history that is shown.
function entry() {
  if (!history.state?.visit) history.replaceState({ visit: `${Date.now()} ${Math.random()}` }, '');
  return history.state.visit;
}

// show shows the view of the address: as it was left, if it was here before.
async function show() {
  leave();
  const id = entry();
  const known = visits.get(id);
  now = known?.drawn ? known : { id, place: h('div'), drawn: false };
  visits.delete(id); // it becomes the newest
  visits.set(id, now);
  dropOldest();
  const [path, query] = (location.hash.slice(1) || '/jobs').split('?');
  markInNavigation(path.replace(/^\/uploads/, '/plugins'));
  main.replaceChildren(now.place);
  wake(); // what was left follows nothing
  if (now.drawn) back(now);
  else await begin(now, path, new URLSearchParams(query));
}

async function begin(visit, path, query) {
  const { place } = visit;
  scrollTo(0, 0);
  await trying(place, async () => {
    try {
      await view(place, path, query);
      visit.drawn = true;
      if (visit === now) typeAgain(visit);
    } finally {
      if (!visit.drawn || visits.get(visit.id) !== visit) forget(place);
      if (visit === now) nameTab(place);
    }
  })();
}

function nameTab(place) {
  const heading = place.querySelector('h1')?.textContent;
  document.title = heading ? `${heading} · Thresher` : 'Thresher';
}

// What was typed survives that the whole page is left, for a document or to load it anew.
// What is not to be shown is not kept.
const controls = (place) => [...place.querySelectorAll('input[id], select[id], textarea[id]')].filter((e) => !['password', 'file'].includes(e.type) && !e.classList.contains('secret'));

addEventListener('pagehide', () => {
  const typed = controls(now.place).map((e) => [e.id, e.type === 'checkbox' ? e.checked : e.value]);
  sessionStorage.setItem(now.id, JSON.stringify({ typed, scrolled: [scrollX, scrollY] }));
});

function typeAgain({ id, place }) {
  const { typed, scrolled } = JSON.parse(sessionStorage.getItem(id) ?? '{}');
  sessionStorage.removeItem(id);
  const values = new Map(typed);
  for (const e of controls(place)) {
    if (!values.has(e.id)) continue;
    const member = e.type === 'checkbox' ? 'checked' : 'value';
    if (e[member] !== values.get(e.id)) e[member] = values.get(e.id);
  }
  if (scrolled) scrollTo(...scrolled);
}

// leave notes where the user is: a place that is not on the page has no scrolling, nor focus.
function leave() {
  if (!now) return;
  const moved = [...now.place.querySelectorAll('.scroll, pre, textarea')].filter((e) => e.scrollTop || e.scrollLeft);
  now.scrolled = [[document.documentElement, scrollY, scrollX], ...moved.map((e) => [e, e.scrollTop, e.scrollLeft])];
  now.focused = now.place.contains(document.activeElement) ? document.activeElement : undefined;
}

function back({ place, scrolled, focused }) {
  nameTab(place);
  for (const [e, top, left] of scrolled ?? []) {
    e.scrollTop = top;
    e.scrollLeft = left;
  }
  (focused ?? main).focus({ preventScroll: true });
}

function dropOldest() {
  for (const [id, { place }] of visits) {
    if (visits.size <= most) return;
    visits.delete(id);
    forget(place);
  }
}

// The skip link's address is not a view's.
document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault();
  main.focus();
});
history.scrollRestoration = 'manual';
addEventListener('hashchange', async () => {
  await show();
  if (!now.place.contains(document.activeElement)) main.focus({ preventScroll: true });
});
show();

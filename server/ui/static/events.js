// Follows the server's events, for views that can be seen: neither a hidden tab nor a view
// that was left costs anything. All tabs share one stream, where the browser can.

import { url } from './api.js';
import { parse } from './json.js';
import { stream } from './stream.js';

const status = document.getElementById('live');
const followers = new Set();
let own; // the stream of this tab, where there is no shared one

// follow calls handlers[type](data) for each event about something, an id, or about
// anything, while place is on the page. handlers.open is called whenever events may have
// been missed, which is first of all at the start: it is the moment to read the whole
// state. handlers.beat is called every now and then, for what is no event. It returns what
// ends it.
export function follow(place, handlers, about = '') {
  const f = { place, about, beat: handlers.beat, leave: undefined };
  f.take = ({ state, anew, type, data }) => {
    if (!f.leave) return; // it left, and this was on its way
    if (type) handlers[type]?.(parse(data));
    if (state) show(state);
    if (anew) handlers.open?.();
  };
  followers.add(f);
  wake();
  return () => {
    followers.delete(f);
    quiet(f);
  };
}

// forget ends all that is followed for a place.
export function forget(place) {
  for (const f of followers) {
    if (f.place !== place) continue;
    followers.delete(f);
    quiet(f);
  }
}

// wake lets those listen who can be seen, and no others. It is called when that changes.
export function wake() {
  for (const f of followers) {
    if (document.hidden || !f.place.isConnected) quiet(f);
    else if (!f.leave) listen(f);
  }
}

document.addEventListener('visibilitychange', wake);
addEventListener('pagehide', () => followers.forEach(quiet));
addEventListener('pageshow', wake);

const often = 1500; // ms between beats

function listen(f) {
  if (f.beat) f.beating = setInterval(f.beat, often);
  const alone = () => {
    own ??= stream(url('/events'));
    let leave;
    f.leave = () => leave?.();
    leave = own(f.take);
  };
  if (!window.SharedWorker) return alone();
  const worker = new SharedWorker('/ui/shared.js', { type: 'module' });
  worker.onerror = () => { if (f.leave) alone(); };
  worker.port.onmessage = ({ data }) => f.take(data);
  f.leave = () => {
    worker.port.postMessage(null);
    worker.port.onmessage = null;
    worker.port.close();
  };
  worker.port.postMessage(f.about);
}

function quiet(f) {
  clearInterval(f.beating);
  f.leave?.();
  f.leave = undefined;
  if (![...followers].some((other) => other.leave)) show('');
}

function show(text) {
  status.textContent = text;
  status.className = text;
}

// throttled calls fn soon after it is called, at most once in a while, and never
// while the last call is still under way.
export function throttled(fn, ms) {
  let due = false;
  let busy = false;
  const run = async () => {
    due = false;
    busy = true;
    try {
      await fn();
    } finally {
      setTimeout(() => { busy = false; if (due) run(); }, ms);
    }
  };
  return () => {
    if (busy) due = true;
    else run();
  };
}

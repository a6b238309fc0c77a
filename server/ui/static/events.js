// Follows the server's events, as long as a view wants them.

import { url } from './api.js';

const types = ['job', 'progress', 'log', 'deleted', 'module', 'plugin', 'reset'];
const comeBack = 2000; // ms until the next try, where the browser does not try itself

let followed = 0; // streams that are open

// follow calls handlers[type](data) for each event until the function that it
// returns is called. handlers.open is called whenever the stream starts anew, and
// may have missed something: it is the moment to read the whole state.
export function follow(path, handlers) {
  const status = document.getElementById('live');
  let source;
  let retry;
  let resumed = false; // the browser is coming back by itself, with the last id it saw

  const connect = () => {
    source = new EventSource(url(path));
    let seen = false;
    source.onopen = () => {
      show(status, 'live');
      if (!resumed) handlers.open?.();
      resumed = false;
    };
    source.onerror = () => {
      show(status, 'reconnecting');
      resumed = seen;
      if (source.readyState !== EventSource.CLOSED) return;
      resumed = false; // a new source knows no last id
      retry = setTimeout(connect, comeBack);
    };
    for (const type of types) {
      source.addEventListener(type, (e) => {
        if (e.lastEventId) seen = true;
        if (type === 'reset') handlers.open?.(); // more was missed than the server keeps
        else handlers[type]?.(JSON.parse(e.data));
      });
    }
  };
  connect();
  followed++;
  let over = false;
  return () => {
    clearTimeout(retry);
    source.close();
    if (over) return;
    over = true;
    if (--followed === 0) show(status, '');
  };
}

function show(status, text) {
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
    await fn();
    setTimeout(() => { busy = false; if (due) run(); }, ms);
  };
  return () => {
    if (busy) due = true;
    else run();
  };
}

// One stream of events for the page. Views subscribe, and are let go when the view
// changes. The browser comes back by itself, with the id of the last event it saw.

import { url } from './api.js';

const types = ['job', 'progress', 'log', 'deleted', 'reset'];

// follow calls handlers[type](data) until the returned function is called.
export function follow(path, handlers) {
  const live = document.getElementById('live');
  const source = new EventSource(url(path));
  source.onopen = () => { live.textContent = 'live'; };
  source.onerror = () => { live.textContent = 'reconnecting'; };
  for (const type of types) {
    if (handlers[type]) source.addEventListener(type, (e) => handlers[type](JSON.parse(e.data)));
  }
  return () => source.close();
}

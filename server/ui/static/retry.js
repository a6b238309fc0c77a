// When things are done: again if they failed, or one after the other.

import { fill, h, problem } from './dom.js';

const [first, longest] = [1000, 15_000]; // ms until it is tried again

// passing reports whether a problem may be over soon: the server is away, or busy.
const passing = (err) => !(err instanceof Error) && (!err.status || err.status === 429 || err.status >= 500);

// trying returns a function that calls fn, which reads something, until that succeeds.
// Meanwhile what is wrong is shown in a place, with a button. It gives up when the place
// is gone from the page, and waits while the page is hidden.
export function trying(place, fn) {
  let wait = first;
  let timer;
  let run = 0; // the newest call: an older one that ends late has no say
  const attempt = async () => {
    const mine = ++run;
    clearTimeout(timer);
    try {
      await fn();
      if (mine !== run) return;
      wait = first;
      place.querySelector(':scope > .failed')?.remove();
    } catch (err) {
      if (mine !== run) return;
      const soon = passing(err);
      fill(place, h('div', { class: 'failed' }, problem(err), h('div', { class: 'actions' },
        h('button', { onclick: attempt }, 'Retry'), soon && h('span', { class: 'soft small' }, 'It is tried again by itself.'))));
      if (!soon) return;
      timer = setTimeout(again, wait);
      wait = Math.min(wait * 2, longest);
    }
  };
  const again = () => {
    if (!place.isConnected) return;
    if (document.hidden) document.addEventListener('visibilitychange', again, { once: true });
    else attempt();
  };
  return attempt;
}

// line returns a function that calls others one after the other, in the order in which
// they come, and returns what they return.
export function line() {
  let turn = Promise.resolve(); // of the newest
  return (fn) => {
    const mine = turn.then(fn);
    turn = mine.catch(() => {}); // whoever asked is told
    return mine;
  };
}

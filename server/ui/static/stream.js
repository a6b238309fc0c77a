// One stream of the server's events, for as many as listen. It is open while anybody does.

const types = ['job', 'progress', 'deleted', 'module', 'plugin', 'reset'];
const comeBack = 2000; // ms until the next try, where the browser does not try itself

// stream returns a function that subscribes a listener to the events at an address, and
// returns what unsubscribes it. A listener is told {type, data}, the data as text, and
// {state}: live or reconnecting, with anew where something may have been missed. That is the
// moment to read the whole state.
export function stream(address) {
  const listeners = new Set();
  const tell = (what) => listeners.forEach((fn) => fn(what));
  let source;
  let retry;
  let state = '';
  const is = (now, anew = false) => {
    state = now;
    tell({ state, anew });
  };
  const connect = () => {
    let seen = false; // an event with an id: the browser comes back with the last of them
    let resumed = false;
    source = new EventSource(address);
    source.onopen = () => {
      is('live', !resumed);
      resumed = false;
    };
    source.onerror = () => {
      is('reconnecting');
      resumed = seen;
      if (source.readyState === EventSource.CLOSED) retry = setTimeout(connect, comeBack);
    };
    for (const type of types) {
      source.addEventListener(type, (e) => {
        if (e.lastEventId) seen = true;
        if (type === 'reset') is('live', true); // more was missed than the server keeps
        else tell({ type, data: e.data });
      });
    }
  };
  return (fn) => {
    listeners.add(fn);
    if (listeners.size === 1) connect();
    else if (state) fn({ state, anew: state === 'live' });
    return () => {
      listeners.delete(fn);
      if (listeners.size > 0) return;
      clearTimeout(retry);
      source.close();
      state = '';
    };
  };
}

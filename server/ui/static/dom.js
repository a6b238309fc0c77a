// Makes elements. Text is always text: nothing here reads HTML from data.

export function h(tag, attrs = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) e.addEventListener(name.slice(2), value);
    else if (name in e && name !== 'list' && typeof value !== 'string') e[name] = value;
    else e.setAttribute(name, value === true ? '' : value);
  }
  e.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
  return e;
}

export const card = (title, ...children) => h('section', { class: 'card' }, title && h('h2', {}, title), ...children);

// problem shows an error of the server in words.
export function problem(err) {
  const lines = (err.errors ?? []).map((e) => h('li', {}, `${e.field}: ${e.message}`));
  return h('div', { class: 'card problem', role: 'alert' }, h('strong', {}, err.title ?? 'Something went wrong'),
    h('div', {}, err.detail ?? err.message ?? String(err)), lines.length ? h('ul', {}, lines) : null);
}

export function announce(text) { document.getElementById('announce').textContent = text; }

export function time(t) { return t ? new Date(t).toLocaleString() : ''; }

export function bytes(n) {
  if (n === undefined || n === null) return '';
  for (const unit of ['B', 'KiB', 'MiB', 'GiB']) {
    if (n < 1024 || unit === 'GiB') return `${n < 10 && unit !== 'B' ? n.toFixed(1) : Math.round(n)} ${unit}`;
    n /= 1024;
  }
}

// rows makes a table of objects, or of arrays of cells.
export function rows(head, body, caption) {
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    h('table', {}, h('thead', {}, h('tr', {}, head.map((c) => h('th', { scope: 'col' }, c)))), h('tbody', {}, body)));
}

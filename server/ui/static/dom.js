// Makes elements. Text is always text: nothing here reads HTML from data.

// h makes an element: attributes that start with "on" are handlers, true is an
// attribute without a value, and null, undefined and false are left out.
export function h(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') handle(e, name.slice(2), value);
    else e.setAttribute(name, value === true ? '' : String(value));
  }
  e.append(...children.flat(Infinity).filter(present));
  return e;
}

const handlers = new WeakMap(); // element → event → function

function handle(e, event, fn) {
  if (!handlers.has(e)) handlers.set(e, {});
  handlers.get(e)[event] = fn;
  e.addEventListener(event, (happened) => handlers.get(e)[event](happened));
}

const present = (child) => child !== null && child !== undefined && child !== false;

// fill puts children where others were.
export function fill(e, ...children) {
  e.replaceChildren(...children.flat(Infinity).filter(present));
}

// refresh fills an element again with what follows from newer data. Nodes that are
// alike stay and take over the new content and handlers, so that focus, selection,
// scrolling and a click under way survive. Rows that come and go need an attribute
// that tells them apart.
export function refresh(e, ...children) {
  const wanted = children.flat(Infinity).filter(present).map((c) => (c instanceof Node ? c : document.createTextNode(c)));
  const kept = reusable(e, wanted);
  for (const old of [...e.childNodes]) if (!kept.has(old)) old.remove();
  let at = e.firstChild;
  for (const node of wanted.map((n) => kept.takes(n))) {
    if (node === at) at = at.nextSibling;
    else e.insertBefore(node, at);
  }
}

// reusable matches the nodes that are wanted with those of an element, in order.
function reusable(e, wanted) {
  const free = Map.groupBy([...e.childNodes].filter((n) => !wanted.includes(n)), kind);
  const old = new Map(wanted.map((node) => [node, node.parentNode === e ? node : free.get(kind(node))?.shift() ?? node]));
  const all = new Set(old.values());
  return {
    has: (node) => all.has(node),
    takes: (node) => {
      const to = old.get(node);
      if (to !== node) takeOver(to, node);
      return to;
    },
  };
}

function takeOver(old, node) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== node.data) old.data = node.data;
    return;
  }
  if (handlers.has(node)) handlers.set(old, handlers.get(node));
  refresh(old, ...node.childNodes);
}

// kind is what two nodes share that differ in nothing but their content, and in what
// their user opened.
function kind(node) {
  if (node.nodeType === Node.TEXT_NODE) return '';
  const attributes = [...node.attributes].filter((a) => a.name !== 'open').map((a) => [a.name, a.value]);
  return JSON.stringify([node.tagName, attributes, Object.keys(handlers.get(node) ?? {})]);
}

export const card = (title, ...children) => h('section', { class: 'card' }, title && h('h2', {}, title), ...children);

// facts lists names and values, and leaves out what has no value.
export function facts(entries) {
  const given = entries.filter(([, value]) => present(value) && value !== '');
  return h('dl', {}, given.map(([name, value]) => [h('dt', {}, name), h('dd', {}, value)]));
}

// rows makes a table: a head of texts, or of elements, over rows. It scrolls
// sideways on its own where the screen is narrow.
export function rows(head, body, caption) {
  return h('div', { class: 'scroll', tabindex: 0, role: 'region', 'aria-label': caption },
    h('table', {},
      h('thead', {}, h('tr', {}, head.map((c) => (c instanceof Element && c.tagName === 'TH' ? c : h('th', { scope: 'col' }, c))))),
      h('tbody', {}, body)));
}

// stacked is such a table whose cells stand one below the other where the screen is narrow.
export function stacked(...of) {
  const node = rows(...of);
  node.classList.add('stacked');
  return node;
}

// empty says that there is nothing yet, and what to do about it.
export const empty = (title, ...advice) => h('div', { class: 'card empty' }, h('h2', {}, title), h('p', {}, ...advice));

// linked is a text in which the documents that it names can be opened.
export const linked = (text) => text.split(/(\bdocs\/[a-z/]+\.md)/).map((part, i) => (i % 2 ? h('a', { href: `/${part.replace('.md', '')}` }, part) : part));

// problem shows an error of the server (RFC 9457), or any other, in words.
export function problem(err) {
  const fields = (err.errors ?? []).map((e) => h('li', {}, linked(e.field ? `${e.field}: ${e.message}` : e.message)));
  const detail = err.detail ?? err.message;
  const docs = err.type?.startsWith('/docs/') && err.type;
  return h('div', { class: 'card problem', role: 'alert' },
    h('strong', {}, err.title ?? 'Something went wrong'),
    detail && h('p', {}, linked(detail)),
    fields.length > 0 && h('ul', {}, fields),
    docs && h('p', { class: 'small' }, h('a', { href: docs }, `About ${err.code}`)));
}

// announce tells those who hear the page what those who see it can see.
export function announce(text) {
  document.getElementById('announce').textContent = text;
}

// confirmed asks before something that cannot be undone. Escape means no.
export const confirmed = async (question, verb, choice = { style: 'danger' }) => await asked(question, verb, choice) !== null;

// asked asks, and lets the user write a line if it has a label. It returns that line,
// or null for no.
export function asked(question, verb, { no = 'Keep it', style, label, value = '', most } = {}) {
  return new Promise((resolve) => {
    const line = label && h('input', { id: 'answer', value, maxlength: most, autocomplete: 'off' });
    const end = () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes' ? (line?.value.trim() ?? '') : null);
    };
    const dialog = h('dialog', { 'aria-label': question, onclose: end },
      h('form', { method: 'dialog' },
        h('p', {}, question),
        line && h('label', { for: 'answer' }, label, line),
        h('div', { class: 'actions' },
          // It does not submit, so that Enter in the line means the other one.
          h('button', { type: 'button', onclick: () => dialog.close('no') }, no),
          h('button', { value: 'yes', class: style ?? 'main' }, verb))));
    document.body.append(dialog);
    dialog.showModal();
  });
}

// save hands content to the browser as a file.
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  h('a', { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000); // the browser reads it in its own time
}

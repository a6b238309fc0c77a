// Makes elements. Text is always text: nothing here reads HTML from data.

// h makes an element: attributes that start with "on" are handlers, true is an
// attribute without a value, and null, undefined and false are left out.
export function h(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attrs ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === 'function') e.addEventListener(name.slice(2), value);
    else e.setAttribute(name, value === true ? '' : String(value));
  }
  e.append(...children.flat(Infinity).filter(present));
  return e;
}

const present = (child) => child !== null && child !== undefined && child !== false;

// fill puts children where others were.
export function fill(e, ...children) {
  e.replaceChildren(...children.flat(Infinity).filter(present));
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

// empty says that there is nothing yet, and what to do about it.
export const empty = (title, ...advice) => h('div', { class: 'card empty' }, h('h2', {}, title), h('p', {}, ...advice));

// problem shows an error of the server (RFC 9457), or any other, in words.
export function problem(err) {
  const fields = (err.errors ?? []).map((e) => h('li', {}, e.field ? `${e.field}: ${e.message}` : e.message));
  const detail = err.detail ?? err.message;
  const docs = err.type?.startsWith('/docs/') && err.type;
  return h('div', { class: 'card problem', role: 'alert' },
    h('strong', {}, err.title ?? 'Something went wrong'),
    detail && h('p', {}, detail),
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

// Uploads a plugin: a module that is chosen or dropped, with its signature if it has
// one. Its checks are shown as they are made.

import { get, path, upload as send } from './api.js';
import { announce, card, facts, fill, h, problem, refresh } from './dom.js';
import { follow } from './events.js';
import { bytes, time } from './format.js';
import { figures, report } from './report.js';
import { trying } from './retry.js';
import { me, signer, stateOf, who } from './standing.js';

const signed = (name) => /\.(minisig|sig)$/i.test(name);

// pusher makes the drop zone of a view. done is called when an upload is decided on.
export function pusher(view, done) {
  const status = h('div');
  let stop;
  const end = () => { stop?.(); stop = undefined; };
  const take = (files) => {
    const all = [...files];
    const modules = all.filter((f) => !signed(f.name));
    if (all.length === 0) return;
    if (modules.length !== 1) {
      fill(status, problem({ title: 'One module at a time', detail: modules.length ? `${modules.length} files were given.` : 'Only a signature was given: drop it together with its module.' }));
      return;
    }
    end();
    fill(status, ask(modules[0], all.find((f) => signed(f.name)), (choice) => begin(modules[0], choice)));
    status.querySelector('button').focus();
  };
  const begin = async (file, { signature, by, activate }) => {
    const bar = h('progress', { max: 1, value: 0, 'aria-label': 'Upload' });
    const form = new FormData();
    if (signature) form.append('signature', signature);
    form.append('module', file);
    const { answer, cancel } = send(`/plugins?${new URLSearchParams({ activate, by })}`, form, (share) => { bar.value = share; });
    fill(status, h('div', { class: 'actions' }, bar, h('span', { class: 'soft' }, `Sending ${file.name}, ${bytes(file.size)}`), h('button', { onclick: cancel }, 'Cancel')));
    try {
      const first = await answer;
      const shown = live(first, (v, title) => { outcome(v, title); end(); done(); });
      fill(status, shown.title, shown.node);
      stop = shown.follow(view);
    } catch (err) { fill(status, problem(err)); }
  };
  const choose = h('input', {
    type: 'file', id: 'module', class: 'unseen', multiple: true, accept: '.wasm,.minisig,.sig',
    onchange: () => { take(choose.files); choose.value = ''; }, // so that the same file can be chosen again
  });
  const zone = h('section', {
    class: 'card drop', 'aria-label': 'Upload a plugin',
    ondragover: (e) => { e.preventDefault(); zone.classList.add('over'); },
    ondragleave: () => zone.classList.remove('over'),
    ondrop: (e) => { e.preventDefault(); zone.classList.remove('over'); take(e.dataTransfer.files); },
  }, choose, h('label', { for: 'module', class: 'button' }, 'Choose a plugin'),
  h('p', { class: 'soft' }, 'or drop it here: a .wasm module, with its .minisig if it is signed'), status);
  return { node: zone };
}

// ask asks who uploads the module and whether to activate it.
function ask(file, signature, go) {
  const by = h('input', { id: 'by', value: me(), maxlength: 64, placeholder: 'for the record', autocomplete: 'name' });
  const activate = h('input', { type: 'checkbox', id: 'activate', checked: true });
  return h('form', { class: 'push', onsubmit: (e) => {
    e.preventDefault();
    localStorage.setItem('by', by.value.trim());
    go({ signature, by: by.value.trim(), activate: activate.checked });
  } },
  h('p', { class: 'file' }, h('strong', {}, file.name), ` ${bytes(file.size)}, `, signature ? ['signed by ', h('strong', {}, signature.name)] : 'not signed'),
  h('label', { class: 'by' }, 'Who uploads it', by),
  h('div', { class: 'field check' }, activate, h('label', { for: 'activate' }, 'Activate it if it is newer than what is active'),
    h('p', { class: 'hint' }, 'Without this nobody gets it who does not name its version: it can be tried first.')),
  h('button', { class: 'main' }, 'Upload'));
}

// live shows an upload as it is verified, and calls decided once it is.
function live(first, decided) {
  const title = h('p', { class: 'outcome', role: 'status' });
  const found = report();
  const unread = h('div');
  let over = false;
  const update = (v) => {
    if (over) return;
    found.update(v);
    over = v.state !== 'verifying';
    if (over) decided(v, title);
    else refresh(title, stateOf(v), ' ', v.name ? `${v.name} ${v.version}` : 'Its checks show as they are made.');
  };
  const ours = (v) => { if (v.digest === first.digest) update(v); };
  // follow begins, for as long as a view is shown, and returns what ends it.
  const begin = (view) => {
    update(first);
    if (over) return () => {};
    return follow(view, { open: trying(unread, async () => update(await get(path('modules', first.digest)))), module: ours }, first.digest);
  };
  return { title, node: h('div', {}, unread, found.node), follow: begin };
}

// outcome says what became of an upload, and what can be done now.
function outcome(v, place) {
  const here = `#/uploads/${v.digest}`;
  if (v.state === 'rejected') {
    const what = v.name ? `${v.name} ${v.version}` : 'This upload';
    fill(place, stateOf(v), ' ', location.hash === here ? what : h('a', { href: here }, what), ' is not taken.');
    announce(`Refused: ${v.report?.refusal?.detail ?? ''}`);
    return;
  }
  const at = `#/plugins/${v.name}/${v.version}`;
  fill(place, stateOf(v), ' ', h('a', { href: at }, `${v.name} ${v.version}`), v.active ? ' is active.' : ' can be tried; another version is active.');
  announce(`${v.name} ${v.version} is ${v.active ? 'active' : 'ready'}`);
}

// upload is the view of one upload, whatever became of it.
export async function upload(place, digest) {
  const v = await get(path('modules', digest));
  const shown = live(v, (now, title) => { outcome(now, title); about(now); });
  const facing = h('div');
  const heading = h('h1');
  const about = (now) => {
    refresh(heading, now.name ? `${now.name} ${now.version}` : 'An upload');
    refresh(facing, card('About it', facts([
      ['SHA-256', h('code', {}, now.digest)], ['Size', bytes(now.bytes)], ['Uploaded', who(now.uploaded)], ['Signed', signer(now.signature)],
      ['Decided', time(now.decided)],
    ]), figures(now.report ?? {})));
  };
  about(v);
  fill(place, h('p', { class: 'soft small path' }, h('a', { href: '#/plugins' }, 'Plugins'), ' / uploads'), heading, shown.title, card('Verification', shown.node), facing);
  shown.follow(place);
}

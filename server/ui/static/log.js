// The end of a job's log. While the job runs the end is read again whenever there
// is more; who has scrolled up is left where they are.

import { tail, url } from './api.js';
import { fill, h } from './dom.js';
import { bytes } from './format.js';

const shown = 64 << 10; // bytes

export function log(path) {
  const note = h('span', { class: 'soft small' });
  const pre = h('pre', { tabindex: 0, 'aria-label': 'Log' });
  const node = h('section', { class: 'card', hidden: true },
    h('div', { class: 'title' }, h('h2', {}, 'Log'), note, h('a', { class: 'button', href: url(path), download: 'log.txt' }, 'Download')), pre);
  const update = async (running) => {
    const { text, total } = await tail(path, shown);
    const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 40;
    node.hidden = total === 0;
    fill(note, total > shown ? `the last ${bytes(shown)} of ${bytes(total)}` : running && 'so far');
    if (pre.textContent === text) return;
    pre.textContent = text;
    if (atEnd) pre.scrollTop = pre.scrollHeight;
  };
  return { node, update };
}

// The end of a job's log. While the job runs, what is new is added to what is there: who
// has scrolled up, or selected something, is left where they are.

import { part, url } from './api.js';
import { fill, h } from './dom.js';
import { bytes } from './format.js';
import { final } from './phase.js';

const shown = 64 << 10; // bytes that are read at first
const most = 1 << 20; // characters that the page keeps

export function log(path) {
  const note = h('span', { class: 'soft small' });
  const pre = h('pre', { tabindex: 0, 'aria-label': 'Log' });
  const node = h('section', { class: 'card', hidden: true },
    h('div', { class: 'title' }, h('h2', {}, 'Log'), note, h('a', { class: 'button', href: url(path), download: 'log.txt' }, 'Download')), pre);
  let first = 0; // the byte with which what is shown begins
  let end = 0; // the byte behind it
  let decoder;
  let attempt; // of which this is the log

  const update = async (j) => {
    if (j.attempt !== attempt) end = 0;
    attempt = j.attempt;
    const more = await part(path, end > 0 ? end - 1 : -shown); // a range has at least a byte
    const known = end > 0 && more.start === end - 1 ? 1 : 0;
    if (!known) {
      decoder = new TextDecoder();
      pre.replaceChildren();
      first = more.start;
    }
    end = more.start + more.bytes.length;
    if (more.bytes.length > known) add(decoder.decode(more.bytes.subarray(known), { stream: true }));
    node.hidden = end === 0;
    fill(note, first > 0 ? `the end of ${bytes(end)}` : !final(j) && 'so far');
  };
  const add = (text) => {
    const atEnd = pre.scrollHeight - pre.scrollTop - pre.clientHeight < 40;
    pre.append(text);
    if (!atEnd) return;
    while (pre.childNodes.length > 1 && pre.textContent.length > most) {
      first += 1; // it is no longer all of it
      pre.firstChild.remove();
    }
    pre.scrollTop = pre.scrollHeight;
  };
  return { node, update };
}

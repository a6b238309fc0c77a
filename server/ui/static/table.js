// Shows the rows of a table, a page at a time, and offers the whole for download.

import { get, getAs } from './api.js';
import { fill, h, problem, refresh, rows, save } from './dom.js';
import { brief, count } from './format.js';
import { trying } from './retry.js';

const pageRows = 50;
const numeric = ['int64', 'float64'];

// preview shows the table at a path. refresh() reads the rows again, as a table
// that grows needs it: who looks at the last page then sees the newest rows.
export function preview(path) {
  const where = h('span', { class: 'soft small where' });
  const body = h('div');
  const [wrong, unsaved] = [h('div'), h('div')];
  let from = 0;
  let total = 0;
  let last = false; // at the end, and staying there

  const read = async () => {
    const follows = last && !inUse();
    if (follows) from = Math.max(0, total - pageRows);
    let page = await get(`${path}?from=${from}&to=${from + pageRows}`);
    total = page.rows;
    if (follows && page.to < total) { // it grew
      from = total - pageRows;
      page = await get(`${path}?from=${from}&to=${total}`);
    }
    draw(page);
  };
  const go = (to) => async () => {
    const end = Math.max(0, total - pageRows);
    last = to(from, end) >= end && end > 0;
    from = Math.min(Math.max(0, to(from, end)), end);
    getSelection().removeAllRanges();
    scroller().scrollTop = last ? scroller().scrollHeight : 0;
    await look();
    scroller().scrollTop = last ? scroller().scrollHeight : 0;
  };
  const scroller = () => body.firstElementChild ?? body;
  // inUse reports whether somebody has selected something here, or scrolled up: the rows
  // that they look at stay.
  const inUse = () => {
    const { scrollHeight, scrollTop, clientHeight } = scroller();
    return (!getSelection().isCollapsed && body.contains(getSelection().anchorNode)) || scrollHeight - scrollTop - clientHeight > 40;
  };
  const look = trying(wrong, read);
  const whole = async (fn) => {
    try {
      fill(unsaved);
      await fn();
    } catch (err) { fill(unsaved, problem(err)); }
  };
  const moves = [
    h('button', { onclick: go(() => 0) }, 'First'),
    h('button', { onclick: go((at) => at - pageRows) }, 'Back'),
    h('button', { onclick: go((at) => at + pageRows) }, 'Next'),
    h('button', { onclick: go((_, end) => end) }, 'Last'),
  ];
  const draw = (page) => {
    where.textContent = page.rows ? `rows ${count(page.from + 1)} to ${count(page.to)} of ${count(page.rows)}` : 'no rows yet';
    moves.forEach((b, i) => { b.disabled = i < 2 ? page.from === 0 : page.to >= page.rows; b.hidden = page.rows <= pageRows; });
    refresh(body, rowsOf(page));
  };
  const download = (label, accept, ending) => h('button', {
    onclick: () => whole(async () => save(await getAs(path, accept), `${path.split('/').pop()}.${ending}`)),
  }, label);
  const node = h('div', {},
    h('div', { class: 'title' }, h('div', { class: 'actions' }, where, moves),
      h('div', { class: 'actions' }, download('CSV', 'text/csv', 'csv'), download('Arrow', 'application/vnd.apache.arrow.stream', 'arrows'))),
    wrong, unsaved, body);
  look();
  return { node, refresh: look };
}

// notFinite reports whether a value is a float that JSON has no number for: NaN, Infinity
// or -Infinity, which come as texts.
const notFinite = (v, type) => type === 'float64' && typeof v === 'string';

function rowsOf(page) {
  const head = page.columns.map((c) => h('th', { scope: 'col', class: numeric.includes(c.type) ? 'num' : null, title: c.type }, c.name));
  const cell = (v, type) => {
    const text = v === null ? 'null' : brief(v);
    const style = [v === null && 'null', notFinite(v, type) && 'diverged', numeric.includes(type) && 'num'].filter(Boolean).join(' ');
    return h('td', { class: style || null, title: text.length > 30 || String(v) !== text ? String(v) : null }, text);
  };
  const node = rows(head, page.data.map((r, i) => h('tr', { 'data-row': page.from + i }, page.columns.map((c) => cell(r[c.name], c.type)))), 'Rows');
  node.classList.add('page');
  return node;
}

// Shows rows of a table, a page at a time.

import { get, url } from './api.js';
import { h, problem, rows } from './dom.js';

const pageRows = 50;

export async function preview(path) {
  const holder = h('div');
  const show = async (from) => {
    const page = await get(`${path}?from=${from}&to=${from + pageRows}`);
    const numeric = page.columns.map((c) => ['int64', 'float64'].includes(c.type));
    const cell = (v, i) => h('td', { class: v === null ? 'null' : numeric[i] ? 'num' : '' }, v === null ? 'null' : String(v));
    const body = page.data.map((r) => h('tr', {}, page.columns.map((c, i) => cell(r[c.name], i))));
    const head = page.columns.map((c, i) => h('span', { title: c.type, class: numeric[i] ? 'num' : '' }, c.name));
    const move = (label, to, off) => h('button', { disabled: off, onclick: () => show(to).catch((e) => holder.append(problem(e))) }, label);
    holder.replaceChildren(
      h('div', { class: 'bar' },
        h('span', { class: 'soft small' }, page.rows ? `rows ${page.from + 1} to ${page.to} of ${page.rows}` : 'no rows'),
        move('First', 0, from === 0), move('Back', Math.max(0, from - pageRows), from === 0),
        move('Next', from + pageRows, page.to >= page.rows), move('Last', Math.max(0, page.rows - pageRows), page.to >= page.rows),
        h('button', { onclick: () => download(path, 'text/csv', 'csv') }, 'CSV'),
        h('button', { onclick: () => download(path, 'application/vnd.apache.arrow.stream', 'arrows') }, 'Arrow')),
      rows(head, body, 'Rows'));
  };
  await show(0);
  return holder;
}

// download asks for the table in a media type: a link cannot.
async function download(path, accept, ending) {
  const resp = await fetch(url(path), { headers: { Accept: accept } });
  const link = h('a', { href: URL.createObjectURL(await resp.blob()), download: `${path.split('/').pop()}.${ending}` });
  link.click();
  URL.revokeObjectURL(link.href);
}

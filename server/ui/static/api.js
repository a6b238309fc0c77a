// Talks to the server. An error answer is thrown as its problem (RFC 9457).

import { parse, write } from './json.js';

const base = '/api/v1';

// path joins segments, with what is special in them quoted. What is not special in a
// path stays as it is: versions have a plus.
export const path = (...segments) => '/' + segments.map((s) => encodeURIComponent(s).replaceAll('%40', '@').replaceAll('%2B', '+')).join('/');

// url is where a path of the interface is.
export const url = (p) => base + p;

export const get = (p) => answer('GET', p);
export const post = (p, body) => answer('POST', p, body);
export const put = (p, body) => answer('PUT', p, body);
export const patch = (p, body) => answer('PATCH', p, body);
export async function del(p) { await ask('DELETE', p); }

const answer = async (method, p, body) => parse(await (await ask(method, p, body)).text());

// getAs reads a path in a media type.
export async function getAs(p, accept) {
  return (await ask('GET', p, undefined, { Accept: accept })).blob();
}

// part reads the bytes of a text from one on, or the last ones if from is negative. It
// also says at which byte they begin.
export async function part(p, from) {
  try {
    const resp = await ask('GET', p, undefined, { Range: from < 0 ? `bytes=${from}` : `bytes=${from}-` });
    const start = resp.headers.get('Content-Range')?.match(/\d+/)[0] ?? 0;
    return { bytes: new Uint8Array(await resp.arrayBuffer()), start: Number(start) };
  } catch (err) {
    if (err.status !== 416) throw err; // no bytes: no range of them
    return { bytes: new Uint8Array(), start: Math.max(from, 0) };
  }
}

async function ask(method, p, body, headers = {}) {
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let resp;
  try {
    resp = await fetch(url(p), { method, headers, body: body && write(body) });
  } catch {
    throw { title: 'The server does not answer', detail: 'Is it still running?' };
  }
  if (!resp.ok) throw await problemOf(resp.status, resp.statusText, await resp.text());
  return resp;
}

function problemOf(status, statusText, text) {
  try {
    return { status, ...parse(text) };
  } catch {
    return { status, title: statusText || `The server answered ${status}` };
  }
}

// upload sends a file, or a form, and reports the share that is sent, which fetch cannot.
// It returns the answer, and a function that breaks it off.
export function upload(p, body, progress) {
  const x = new XMLHttpRequest();
  const answer = new Promise((resolve, reject) => {
    x.open('POST', url(p));
    x.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
    x.upload.onload = () => progress(1);
    x.onerror = () => reject({ title: 'The upload broke off', detail: 'The server closed the connection, or is gone.' });
    x.onabort = () => reject({ title: 'The upload was cancelled', detail: 'Nothing was kept.' });
    x.onload = () => {
      if (x.status < 300) resolve(parse(x.responseText));
      else reject(problemOf(x.status, x.statusText, x.responseText));
    };
    x.send(body);
  });
  return { answer, cancel: () => x.abort() };
}

// Talks to the server. An error answer is thrown as its problem (RFC 9457).

const base = '/api/v1';

// path joins segments, with what is special in them quoted. What is not special in a
// path stays as it is: versions have a plus.
export const path = (...segments) => '/' + segments.map((s) => encodeURIComponent(s).replaceAll('%40', '@').replaceAll('%2B', '+')).join('/');

// url is where a path of the interface is.
export const url = (p) => base + p;

export async function get(p) { return parse(await (await ask('GET', p)).text()); }
export async function post(p, body) { return (await ask('POST', p, body)).json(); }
export async function put(p, body) { return (await ask('PUT', p, body)).json(); }
export async function patch(p, body) { return (await ask('PATCH', p, body)).json(); }
export async function del(p) { await ask('DELETE', p); }

// getAs reads a path in a media type.
export async function getAs(p, accept) {
  return (await ask('GET', p, undefined, { Accept: accept })).blob();
}

// tail reads the last bytes of a text, and says how many there are in all.
export async function tail(p, most) {
  try {
    const resp = await ask('GET', p, undefined, { Range: `bytes=-${most}` });
    const whole = resp.headers.get('Content-Range')?.split('/')[1] ?? resp.headers.get('Content-Length');
    return { text: await resp.text(), total: Number(whole) };
  } catch (err) {
    if (err.status === 416) return { text: '', total: 0 }; // no bytes: no range of them
    throw err;
  }
}

async function ask(method, p, body, headers = {}) {
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  let resp;
  try {
    resp = await fetch(url(p), { method, headers, body: body && JSON.stringify(body) });
  } catch {
    throw { title: 'The server does not answer', detail: 'Is it still running?' };
  }
  if (!resp.ok) throw await problemOf(resp.status, resp.statusText, await resp.text());
  return resp;
}

function problemOf(status, statusText, text) {
  try {
    return { status, ...JSON.parse(text) };
  } catch {
    return { status, title: statusText || `The server answered ${status}` };
  }
}

// parse reads JSON. Whole numbers past what a number keeps exactly become BigInts,
// where the browser shows their digits.
function parse(text) {
  return JSON.parse(text, (_, v, context) => {
    if (typeof v !== 'number' || Number.isSafeInteger(v) || !/^-?\d+$/.test(context?.source)) return v;
    return BigInt(context.source);
  });
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
      if (x.status < 300) resolve(JSON.parse(x.responseText));
      else reject(problemOf(x.status, x.statusText, x.responseText));
    };
    x.send(body);
  });
  return { answer, cancel: () => x.abort() };
}

// Talks to the server. An error answer is thrown as its problem (RFC 9457).

const base = '/api/v1';

async function fail(resp) {
  let p;
  try { p = await resp.json(); } catch { p = { title: resp.statusText, status: resp.status }; }
  throw p;
}

async function send(method, path, body) {
  let resp;
  try {
    resp = await fetch(base + path, { method, headers: body ? { 'Content-Type': 'application/json' } : {}, body: body && JSON.stringify(body) });
  } catch {
    throw { title: 'The server does not answer', detail: 'Is it still running?' };
  }
  if (!resp.ok) await fail(resp);
  return resp.status === 204 ? null : resp.json();
}

export const get = (path) => send('GET', path);
export const post = (path, body) => send('POST', path, body);
export const del = (path) => send('DELETE', path);
export const url = (path) => base + path;

// text reads the last bytes of a text, and says how many there are.
export async function tail(path, most) {
  const resp = await fetch(base + path, { headers: { Range: `bytes=-${most}` } });
  if (resp.status === 416) return { text: '', total: 0 };
  if (!resp.ok) await fail(resp);
  const total = Number(resp.headers.get('Content-Range')?.split('/')[1] ?? resp.headers.get('Content-Length'));
  return { text: await resp.text(), total };
}

// upload sends a file and reports how far it is. fetch cannot do that.
export function upload(path, file, progress) {
  return new Promise((resolve, reject) => {
    const x = new XMLHttpRequest();
    x.open('POST', base + path);
    x.upload.onprogress = (e) => e.lengthComputable && progress(e.loaded / e.total);
    x.onerror = () => reject({ title: 'The upload broke off', detail: 'The server closed the connection.' });
    x.onload = () => {
      let body;
      try { body = JSON.parse(x.responseText); } catch { body = { title: x.statusText }; }
      x.status < 300 ? resolve(body) : reject(body);
    };
    x.send(file);
  });
}

// The tour takes a client of openapi-fetch, with the types that openapi-typescript has
// generated from /openapi.json, through a server: node out/tour.js URL MODULE.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import createClient from 'openapi-fetch';
import type { components, paths } from './schema.js';

type Job = components['schemas']['Job'];

const [, , url = '', modulePath = ''] = process.argv;
const client = createClient<paths>({ baseUrl: url });
const asItIs = { bodySerializer: (body: unknown) => body as BodyInit };

// got returns an answer's data, or throws what the answer says instead.
function got<T>(answer: { data?: T; error?: unknown; response: Response }): T {
  if (answer.data === undefined) throw new Error(`${answer.response.url}: ${answer.response.status} ${JSON.stringify(answer.error)}`);
  return answer.data;
}

async function health() {
  assert.equal(got(await client.GET('/healthz')).status, 'ok');
  assert.equal(got(await client.GET('/readyz')).ready, true);
  assert.match(got(await client.GET('/metrics', { parseAs: 'text' })), /thresher_jobs/);
}

async function limits() {
  assert.equal(got(await client.PATCH('/api/v1/limits', { body: { queue_cap: 6000 } })).queue_cap, 6000);
  assert.equal(got(await client.GET('/api/v1/limits')).queue_cap, 6000);
}

async function dataset() {
  const made = await client.POST('/api/v1/datasets', {
    params: { query: { name: 'tour' } }, body: `group,value\n${'a,1\nb,2.5\n'.repeat(1000)}`, headers: { 'Content-Type': 'text/csv' }, ...asItIs,
  });
  assert.equal(got(made).tables[0]?.rows, 2000);
  assert.equal(made.response.headers.get('Location'), '/api/v1/datasets/tour');
  let rows = 0;
  for (let from: number | undefined = 0; from !== undefined;) {
    const page = got(await client.GET('/api/v1/datasets/{name}/tables/{table}', {
      params: { path: { name: 'tour', table: 'data' }, query: { from } },
    })) as components['schemas']['TableJSON']; // and no CSV
    rows += page.data.length;
    from = page.next;
  }
  assert.equal(rows, 2000);
}

async function job() {
  const done = got(await client.POST('/api/v1/jobs', {
    params: { query: { wait: '60s' }, header: { 'Idempotency-Key': 'tour in TypeScript' } },
    body: { routine: 'models/sir', params: { steps: 20 }, seed: 7, priority: 'high', labels: { tour: 'ts' } },
  }));
  assert.equal(done.phase, 'completed');
  const path = { id: done.id };
  assert.equal(got(await client.GET('/api/v1/jobs/{id}', { params: { path } })).spec.seed, 7);
  assert.ok(got(await client.GET('/api/v1/jobs/{id}/result', { params: { path } })));
  const part = await client.GET('/api/v1/jobs/{id}/result', { params: { path, header: { Range: 'bytes=0-0' } }, parseAs: 'text' });
  assert.equal(part.response.status, 206);
  const { artifacts } = got(await client.GET('/api/v1/jobs/{id}/artifacts', { params: { path } }));
  const first = artifacts[0];
  assert.ok(first);
  const file = await client.GET('/api/v1/jobs/{id}/artifacts/{name}', { params: { path: { ...path, name: first.name } }, parseAs: 'arrayBuffer' });
  assert.equal(got(file).byteLength, first.bytes);
  assert.ok(file.response.headers.get('ETag'));
  assert.ok(got(await client.GET('/api/v1/jobs/{id}/tables', { params: { path } })).tables.length > 0);
}

async function events() {
  const made = got(await client.POST('/api/v1/jobs', { body: { routine: 'models/sir', cache: 'off' } }));
  const hangUp = new AbortController();
  const stream = got(await client.GET('/api/v1/jobs/{id}/events', { params: { path: { id: made.id } }, parseAs: 'stream', signal: hangUp.signal }));
  assert.ok(stream);
  let text = '';
  for await (const piece of stream.pipeThrough(new TextDecoderStream())) {
    text += piece;
    const jobs = [...text.matchAll(/event: job\ndata: (.*)\n\n/g)].map((m) => JSON.parse(m[1] ?? '') as Job);
    if (jobs.some((j) => j.phase === 'completed')) break;
  }
  hangUp.abort();
  assert.match(text, /"phase":"completed"/);
}

async function batch() {
  const made = got(await client.POST('/api/v1/batches', {
    body: { template: { routine: 'models/sir' }, grid: { steps: [1, 2, 3] }, labels: { tour: 'batch' } },
  }));
  assert.equal(made.jobs, 3);
  const { jobs } = got(await client.GET('/api/v1/jobs', { params: { query: { batch: made.id } } }));
  assert.equal(jobs.length, 3);
  for (const { id } of jobs) got(await client.GET('/api/v1/jobs/{id}', { params: { path: { id }, query: { wait: '60s' } } }));
  assert.equal(got(await client.GET('/api/v1/batches/{id}', { params: { path: { id: made.id } } })).done, true);
}

async function bulk() {
  const filter = { labels: { tour: 'batch' } };
  const preview = got(await client.POST('/api/v1/bulk', { body: { action: 'delete', filter, preview: true } }));
  assert.equal(preview.jobs, 3);
  let now = got(await client.POST('/api/v1/bulk', { body: { action: 'delete', filter } }));
  while (now.state === 'running') now = got(await client.GET('/api/v1/bulk/{id}', { params: { path: { id: now.id } } }));
  assert.equal(now.state, 'completed');
  assert.equal(now.done, 3);
}

async function plugin() {
  const pushed = got(await client.POST('/api/v1/plugins', {
    params: { query: { wait: '60s' } }, body: await readFile(modulePath) as unknown as string, headers: { 'Content-Type': 'application/wasm' }, ...asItIs,
  }));
  assert.equal(pushed.state, 'ready');
  const { name = '', version = '' } = pushed;
  const ran = got(await client.POST('/api/v1/jobs', { params: { query: { wait: '60s' } }, body: { routine: `${name}/run` } }));
  assert.equal(ran.phase, 'completed');
  assert.equal(got(await client.GET('/api/v1/plugins/{plugin}', { params: { path: { plugin: name } } })).jobs[version], 1);
  const gone = await client.DELETE('/api/v1/plugins/{plugin}/versions/{version}', { params: { path: { plugin: name, version } } });
  assert.equal(gone.response.status, 204);
}

async function problems() {
  const missing = await client.GET('/api/v1/jobs/{id}', { params: { path: { id: 'none' } } });
  assert.equal(missing.error?.code, 'not_found');
  const wrong = await client.POST('/api/v1/jobs', { body: { routine: 'no/routine' } });
  assert.equal(wrong.error?.code, 'invalid');
}

async function simulations() {
  assert.ok(got(await client.GET('/api/simulations')).data.length > 0);
}

for (const stop of [health, limits, dataset, job, events, batch, bulk, plugin, problems, simulations]) {
  await stop();
  console.log(stop.name);
}
console.log('the tour is over');

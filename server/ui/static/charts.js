// Draws the Vega-Lite charts that jobs leave.

import { get } from './api.js';
import { expressionInterpreter } from './vendor/vega-interpreter.js';
import { card, problem } from './dom.js';

export const isChart = (a) => a.media_type.startsWith('application/vnd.vegalite.');

export function chart(id, artifact) {
  const place = document.createElement('div');
  place.className = 'chart';
  const c = card(null, place);
  draw(id, artifact, place).catch((err) => place.replaceChildren(problem(err)));
  return c;
}

async function draw(id, artifact, place) {
  const spec = await get(`/jobs/${id}/artifacts/${encodeURIComponent(artifact.name)}`);
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  // A chart is a plugin's: it must bring its data with it, and its expressions
  // are interpreted, so that none of it can run as script.
  await vegaEmbed(place, spec, {
    mode: 'vega-lite', ast: true, expr: expressionInterpreter, theme: dark ? 'dark' : undefined,
    loader: { load: () => Promise.reject(new Error('a chart must carry its data')) },
    config: { background: 'transparent', font: 'system-ui' },
    actions: { export: true, source: false, compiled: false, editor: false },
  });
}

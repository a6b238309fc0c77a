// Draws the Vega-Lite charts that jobs leave. The libraries are large: they load
// with the first chart.

import { get, path } from './api.js';
import { card, fill, h, problem } from './dom.js';

export const isChart = (a) => a.media_type.startsWith('application/vnd.vegalite.');

const dark = matchMedia('(prefers-color-scheme: dark)');
let libraries; // a promise

export function chart(here, artifact) {
  const place = h('div', { class: 'chart', role: 'img', 'aria-label': `Chart ${artifact.name}` });
  const name = `${artifact.name}.png`;
  let view;
  const picture = h('button', {
    hidden: true, onclick: async () => h('a', { href: await view.toImageURL('png', 2), download: name }).click(),
  }, 'Save picture');
  const draw = async () => {
    try {
      libraries ??= load();
      const [spec] = await Promise.all([get(here + path('artifacts', artifact.name)), libraries]);
      view?.finalize();
      view = await embed(place, spec);
      picture.hidden = false;
    } catch (err) { fill(place, problem({ title: 'The chart cannot be drawn', detail: err.detail ?? err.message })); }
  };
  draw();
  // The colours follow the theme for as long as the chart is on the page.
  dark.addEventListener('change', function follow() {
    if (place.isConnected) draw();
    else { dark.removeEventListener('change', follow); view?.finalize(); }
  });
  return card(null, place, h('div', { class: 'actions' }, picture));
}

async function load() {
  for (const name of ['vega', 'vega-lite', 'vega-embed']) {
    await new Promise((resolve, reject) => {
      document.head.append(h('script', {
        src: `/ui/vendor/${name}.min.js`, onload: () => resolve(), onerror: () => reject(new Error(`${name} did not load`)),
      }));
    });
  }
}

// embed draws a chart that a plugin wrote, and that nobody need trust: it must
// carry its data, it may link nowhere, its expressions are interpreted, and what it
// says about embedding is dropped, since that would win over what is said here.
async function embed(place, { usermeta, ...spec }) {
  const refuse = () => Promise.reject(new Error('a chart must carry what it shows'));
  const { view } = await vegaEmbed(place, spec, {
    mode: 'vega-lite', ast: true, renderer: 'canvas', actions: false, defaultStyle: false,
    tooltip: { disableDefaultStyle: true },
    loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
    config: look(),
  });
  return view;
}

// look is the page's own colours and font.
function look() {
  const style = getComputedStyle(document.documentElement);
  const colour = (name) => style.getPropertyValue(name).trim();
  const text = { labelColor: colour('--soft'), titleColor: colour('--soft'), labelFontSize: 11, titleFontSize: 12, titleFontWeight: 'normal' };
  const series = [1, 2, 3, 4, 5, 6].map((i) => colour(`--series-${i}`));
  return {
    font: 'system-ui, sans-serif',
    background: 'transparent',
    view: { stroke: 'transparent' },
    title: { color: colour('--ink'), anchor: 'start', fontSize: 14, fontWeight: 600, offset: 12 },
    axis: { ...text, labelSeparation: 8, gridColor: colour('--line'), domainColor: colour('--line'), tickColor: colour('--line') },
    legend: { ...text, orient: 'top', symbolType: 'circle' },
    mark: { color: series[0] },
    range: { category: series },
  };
}

// Draws the Vega-Lite charts that jobs leave, in a worker of a sandboxed frame, since a plugin
// wrote them: one that never ends must not freeze the page, and one that takes all memory must
// not end it. The frame is made with the first chart, because its libraries are large, and
// draws one after the other.

import { getAs, path, url } from './api.js';
import { card, fill, h, save } from './dom.js';
import { bytes } from './format.js';
import { line, trying } from './retry.js';

export const isChart = (a) => a.media_type.startsWith('application/vnd.vegalite.');

export const patience = { start: 30_000, ms: 8000 }; // for what draws to load, and for one chart
const mostBytes = 16 << 20; // of a chart that is drawn
const ahead = '1000px'; // how far below what is seen a chart is drawn

const dark = matchMedia('(prefers-color-scheme: dark)');

export function chart(here, artifact) {
  const place = h('div', { class: 'chart', role: 'img', 'aria-label': `Chart ${artifact.name}` });
  const at = here + path('artifacts', artifact.name);
  const wrong = h('div');
  const download = h('a', { class: 'button', href: url(at), download: `${artifact.name}.vl.json` }, 'Download');
  const picture = h('button', { hidden: true, onclick: trying(wrong, async () => save((await request({ scale: 2, picture: true })).picture, `${artifact.name}.png`)) }, 'Save picture');
  const request = async (more) => {
    const text = await (await getAs(at, artifact.media_type)).text();
    return drawn({ text, config: look(), width: Math.max(place.clientWidth, 200), ...more });
  };
  const draw = trying(wrong, async () => {
    if (artifact.bytes > mostBytes) throw refusal(`it has ${bytes(artifact.bytes)}, and at most ${bytes(mostBytes)} are drawn`);
    show(place, await request({ scale: devicePixelRatio }));
    picture.hidden = false;
  });
  new IntersectionObserver(([{ isIntersecting }], observer) => {
    if (!isIntersecting) return;
    observer.disconnect();
    draw();
  }, { rootMargin: ahead }).observe(place);
  // The colours follow the theme for as long as the chart is kept.
  dark.addEventListener('change', () => { if (!picture.hidden) draw(); });
  return card(null, place, wrong, h('div', { class: 'actions' }, picture, download));
}

const refusal = (detail) => ({ status: 422, title: 'The chart cannot be drawn', detail });

let frame; // that draws
let port; // to its worker
const inTurn = line();

// drawn draws a chart when it is its turn. One that is not done in time ends with the frame.
const drawn = (request) => inTurn(async () => {
  if (!frame) await start();
  port.postMessage(request);
  const answer = await answered(patience.ms) ?? { broken: `it was not done after ${patience.ms / 1000} s` };
  if (answer.broken) stop();
  if (answer.broken || answer.wrong) throw refusal(answer.broken || answer.wrong);
  return answer;
});

async function start() {
  const channel = new MessageChannel();
  port = channel.port1;
  frame = h('iframe', { src: '/ui/draw.html', sandbox: 'allow-scripts', hidden: true, title: 'Draws charts' });
  frame.onload = () => frame.contentWindow.postMessage(null, '*', [channel.port2]); // it has no origin to name
  document.body.append(frame);
  if (await answered(patience.start) === 'ready') return;
  stop();
  throw { title: 'The chart cannot be drawn', detail: 'What draws it did not load.' };
}

function stop() {
  frame.remove();
  frame = undefined;
}

// answered is what the worker says next, or undefined if that takes longer than ms.
const answered = (ms) => new Promise((resolve) => {
  const timer = setTimeout(resolve, ms);
  port.onmessage = ({ data }) => { clearTimeout(timer); resolve(data); };
});

function show(place, { bitmap, scale, tips }) {
  const canvas = h('canvas', { class: 'marks', width: bitmap.width, height: bitmap.height });
  canvas.style.width = `${bitmap.width / scale}px`;
  canvas.getContext('bitmaprenderer').transferFromImageBitmap(bitmap);
  const tip = h('div', { class: 'tip', hidden: true });
  canvas.addEventListener('pointermove', (e) => {
    const { left, top, width } = canvas.getBoundingClientRect();
    const shrunk = width / (canvas.width / scale);
    const found = nearest(tips, (e.clientX - left) / shrunk, (e.clientY - top) / shrunk);
    tip.hidden = !found;
    if (!found) return;
    fill(tip, h('table', {}, found.says.map(([name, value]) => h('tr', {}, h('td', { class: 'soft' }, name), h('td', {}, value)))));
    tip.style.left = `${Math.min(e.clientX + 12, innerWidth - tip.offsetWidth - 4)}px`;
    tip.style.top = `${Math.min(e.clientY + 12, innerHeight - tip.offsetHeight - 4)}px`;
  });
  canvas.addEventListener('pointerleave', () => { tip.hidden = true; });
  fill(place, canvas, tip);
}

const close = 12; // pixels that one may miss a mark by

// nearest is the smallest mark under a point, or else one that is close to it.
function nearest(tips, x, y) {
  const miss = ([x1, y1, x2, y2]) => Math.hypot(Math.max(x1 - x, 0, x - x2), Math.max(y1 - y, 0, y - y2));
  const size = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  let best;
  for (const tip of tips) {
    const far = miss(tip.box);
    if (far > close) continue;
    if (!best || far < best.far || (far === best.far && size(tip.box) < size(best.box))) best = { ...tip, far };
  }
  return best;
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

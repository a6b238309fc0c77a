// The worker that draws charts, which frame.js starts. A plugin wrote the chart, and nobody
// need trust that: here it can take its time, or all the memory of a process, without anybody
// waiting for it but charts.js, which ends the worker.

const mostPixels = 32 << 20;
const mostTips = 5000;
const mostLines = 20; // of a tip
const mostText = 200; // characters of each

const refused = new Error('a chart must carry what it shows');
const refuse = () => Promise.reject(refused);

// It may load and link nothing, and its expressions are interpreted.
async function view({ text, width, config }) {
  const { usermeta, ...spec } = JSON.parse(text); // numbers are drawn, so that rounding does no harm
  if (spec.width === 'container') spec.width = width;
  const { spec: full } = vegaLite.compile(spec, { config });
  const wrong = [];
  const v = new vega.View(vega.parse(full, {}, { ast: true }), {
    expr: vega.expressionInterpreter, renderer: 'none', logger: heard(wrong),
    loader: { load: refuse, sanitize: refuse, http: refuse, file: refuse },
  });
  await v.runAsync();
  if (wrong.length > 0) throw wrong[0];
  return v;
}

// heard is a log that keeps errors: Vega goes on after them, with a part of the chart. What
// it was not let load is left out of the chart.
function heard(errors) {
  const log = vega.logger(vega.None);
  log.error = (...what) => {
    if (!what.includes(refused)) errors.push(what.find((e) => e instanceof Error) ?? new Error(what.join(' ')));
    return log;
  };
  return log;
}

// scaled is the scale that a picture of the view can have.
function scaled(v, scale) {
  const { left, right, top, bottom } = v.padding();
  const pixels = Math.max(1, (v.width() + left + right) * (v.height() + top + bottom));
  if (!(pixels <= mostPixels)) throw new Error(`it is too large: ${Math.round(v.width())} × ${Math.round(v.height())}`);
  return Math.min(scale, Math.sqrt(mostPixels / pixels));
}

// tips are what the marks say to whoever points at them, and where they are.
function tips(v) {
  const found = [];
  const visit = (item, x, y) => {
    if (found.length >= mostTips) return;
    if (item.tooltip !== undefined && item.tooltip !== null && item.tooltip !== '' && item.bounds) {
      const line = ['line', 'area', 'trail'].includes(item.mark.marktype);
      const { x1, y1, x2, y2 } = line ? { x1: item.x, y1: item.y, x2: item.x, y2: item.y } : item.bounds;
      found.push({ box: [x1 + x, y1 + y, x2 + x, y2 + y], says: words(item.tooltip) });
    }
    for (const mark of item.items ?? []) for (const one of mark.items ?? [mark]) visit(one, x + (item.x ?? 0), y + (item.y ?? 0));
  };
  visit(v.scenegraph().root, ...v.origin());
  return found;
}

const cut = (value) => (typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value)).slice(0, mostText);

const words = (tip) => (typeof tip === 'object' ? Object.entries(tip).slice(0, mostLines).map(([k, v]) => [cut(k), cut(v)]) : [['', cut(tip)]]);

port.onmessage = async ({ data }) => {
  try {
    const v = await view(data);
    const scale = scaled(v, data.scale);
    const canvas = await v.toCanvas(scale);
    if (data.picture) {
      port.postMessage({ picture: await canvas.convertToBlob() });
    } else {
      const bitmap = canvas.transferToImageBitmap();
      port.postMessage({ bitmap, scale, tips: tips(v) }, [bitmap]);
    }
    v.finalize();
  } catch (err) { port.postMessage({ wrong: String(err?.message ?? err).slice(0, 500) }); }
};
port.postMessage('ready');

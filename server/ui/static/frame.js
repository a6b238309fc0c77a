// What the frame of charts.js runs: it starts the worker that draws, with the port that
// the page sends. The frame is sandboxed, so that a browser gives it a process of its own,
// and a worker for which there is no memory left does not end the page's. It has no origin
// either, so the worker's first line cannot be a file.
onmessage = ({ ports }) => {
  const here = new URL('/ui/', location);
  const files = ['vendor/vega.min.js', 'vendor/vega-lite.min.js', 'vendor/vega-interpreter.js', 'draw.js'].map((name) => new URL(name, here).href);
  const code = `self.document = { createElement: () => new OffscreenCanvas(1, 1) }; // Vega looks for a canvas in it
    onmessage = ({ ports: [port] }) => {
      self.port = port;
      onerror = (message) => port.postMessage({ broken: message });
      importScripts(...${JSON.stringify(files)});
    };`;
  new Worker(URL.createObjectURL(new Blob([code]))).postMessage(null, ports);
};

// The worker that all tabs of a browser share: a browser opens few connections to a server,
// so that a stream for each tab would leave none for anything else.

import { url } from './api.js';
import { stream } from './stream.js';

const listen = stream(url('/events'));

// A tab says what it wants to be told about, all or one id, and null when it leaves. Of a
// page that is taken away the last message can be lost: its port is closed all the same.
onconnect = ({ ports: [port] }) => {
  let leave;
  port.onclose = () => { leave?.(); leave = undefined; };
  port.onmessage = ({ data: about }) => {
    leave?.();
    leave = about === null ? undefined : listen((what) => {
      if (what.state || what.data.includes(about)) port.postMessage(what);
    });
  };
};

// What the host calls.
import * as host from "./host";
import "./abort"; // so that it is there to be named: see abort.ts
import { Call } from "./call";
import { manifest, routines, Simulation } from "./declare";

let described: ArrayBuffer | null = null;

export function thresher_describe(): i64 {
  let text = described;
  if (text == null) described = text = host.utf8(manifest());
  return <i64>(<u64>host.address(text) << 32 | <u64>text.byteLength);
}

export function thresher_alloc(bytes: i32): usize { return heap.alloc(max(bytes, 1)); }

export function thresher_run(number: i32): i32 {
  const c = new Call();
  if (number < 0 || number >= routines.length) c.fail("there is no routine " + number.toString());
  else {
    const r = routines[number], run = r.run;
    c.begin(r.params);
    if (!run) c.fail(r.name + " is a simulation");
    else if (!c.failed) run(c);
  }
  return c.status(0);
}

let call: Call = new Call();
let running: Simulation | null = null;

export function thresher_init(number: i32): i32 {
  const c = call = new Call();
  if (number < 0 || number >= routines.length) c.fail("there is no routine " + number.toString());
  else {
    const r = routines[number], start = r.start;
    c.begin(r.params);
    if (!start) c.fail(r.name + " is not a simulation");
    else if (!c.failed) running = start(c);
  }
  return c.status(0);
}

export function thresher_step(steps: i32): i32 {
  const s = running;
  if (s == null) call.fail("no simulation was started");
  else
    for (let i = 0; i < steps && !call.failed; i++) {
      if (!s.step(call) || call.failed) continue;
      s.result(call);
      return call.status(1);
    }
  return call.status(0);
}

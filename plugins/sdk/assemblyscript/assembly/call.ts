import * as host from "./host";
import { Obj, Value, parse } from "./json";
import { Params } from "./declare";
import { Random } from "./random";
import { Table } from "./table";
import { Col, Writer } from "./writer";

// One call of a routine: its inputs, and where what it finds goes.
export class Call {
  seed: u64 = 0;
  failed: bool = false; // whether fail was called
  private reason: string = "";
  private inputs: Array<Table> = [];
  private outputs: Array<Writer> = [];

  // Reads what the routine was called with.
  begin(params: Params): void {
    const size = host.call_info(0, 0), info = new ArrayBuffer(size);
    host.call_info(host.address(info), size);
    const call = parse(String.UTF8.decode(info)), inputs = call.list("inputs"), given = call.get("params");
    const seed = call.get("seed");
    if (seed) this.seed = U64.parseInt(seed.word);
    for (let i = 0; i < inputs.length; i++) this.inputs.push(new Table(this, i, inputs[i]));
    for (let i = 0; i < params.fields.length && !this.failed; i++) {
      const f = params.fields[i], wrong = f.decode(given ? given.get(f.key) : null);
      if (wrong != "") this.fail(wrong);
    }
  }

  // Says why the routine fails. It is to return then.
  fail(reason: string): void {
    if (this.failed) return; // the first reason is the one
    this.failed = true;
    this.reason = reason;
  }

  // What the host is answered.
  status(ok: i32): i32 {
    if (!this.failed) {
      this.flush(); // so that rows can be read while it runs
      return ok;
    }
    const text = host.utf8(this.reason);
    host.fail(host.address(text), text.byteLength);
    return -1;
  }

  // A generator that follows from the job's seed alone.
  random(): Random { return new Random(this.seed); }

  hasInput(name: string): bool {
    for (let i = 0; i < this.inputs.length; i++) if (this.inputs[i].name == name) return true;
    return false;
  }

  // An input table; null: there is none of that name, and the routine has failed.
  input(name: string): Table | null {
    for (let i = 0; i < this.inputs.length; i++) if (this.inputs[i].name == name) return this.inputs[i];
    this.fail('there is no input "' + name + '"');
    return null;
  }

  // An output table.
  output(name: string, columns: Array<Col>): Writer {
    const w = new Writer(this, name, columns);
    this.outputs.push(w);
    return w;
  }

  // The result.
  result(json: Obj): void {
    const text = host.utf8(json.toString());
    host.result_write(host.address(text), text.byteLength);
  }

  // Keeps a file under a name.
  artifact(name: string, media: string, content: ArrayBuffer): void {
    const n = host.utf8(name), m = host.utf8(media);
    host.artifact_write(host.address(n), n.byteLength, host.address(m), m.byteLength, host.address(content), content.byteLength);
  }

  // Keeps a Vega-Lite specification as the artifact NAME.vl.json.
  chart(name: string, spec: Obj): void {
    this.artifact(name + ".vl.json", "application/vnd.vegalite.v6+json", host.utf8(spec.toString()));
  }

  // Says how far the routine is, from 0 to 1.
  progress(fraction: f64, message: string): void {
    const text = host.utf8(message);
    host.progress(fraction, host.address(text), text.byteLength);
  }

  // Writes a line to the job's log.
  log(line: string): void {
    const text = host.utf8(line + "\n");
    host.log(host.address(text), text.byteLength);
  }

  private flush(): void { for (let i = 0; i < this.outputs.length; i++) this.outputs[i].flush(); }
}

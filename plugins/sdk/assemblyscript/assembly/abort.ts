// What happens where an assertion does not hold: the job crashes, and its log says where.
// Compile with --use abort=node_modules/thresher-sdk/assembly/abort/abort
import * as host from "./host";

export function abort(message: string | null, file: string | null, line: u32, column: u32): void {
  const text = host.utf8((message ? message : "assertion failed") + " at " + (file ? file : "?") + ":" + line.toString() + "\n");
  host.log(host.address(text), text.byteLength);
  unreachable();
}

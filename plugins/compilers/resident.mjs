// The AssemblyScript compiler as a process that stays: each line of standard input is the
// arguments of a build, as JSON, and is answered with a line. Its argument is asc's module.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const { main } = await import(pathToFileURL(process.argv[1]));
for await (const line of createInterface({ input: process.stdin })) {
  const { error, stdout, stderr } = await main(JSON.parse(line));
  process.stdout.write(JSON.stringify({ failed: error !== null, said: stdout.toString() + stderr.toString() }) + "\n");
}

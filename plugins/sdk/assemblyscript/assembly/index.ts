// What a Thresher plugin in AssemblyScript is written with. A plugin declares its routines
// once, with plugin(); from that come the code that the host calls, the manifest, and the
// JSON Schema of the params. Its entry file also has the line
//
//   export * from "thresher-sdk/assembly/exports";
//
// AssemblyScript knows no exceptions: what cannot be done has called c.fail, and answers
// null or false, whereupon a routine returns. docs/plugins/assemblyscript.md is a
// tutorial, docs/abi.md the contract below.
export { Call } from "./call";
export { analysis, simulation, plugin, Example, Field, Input, Param, Params, Routine, Simulation } from "./declare";
export { Obj, List, Value, number, parse, quote } from "./json";
export { Random } from "./random";
export { Batch, Bools, Column, Floats, Ints, Table, Texts } from "./table";
export { Groups, OVERFLOW, RANGE, Vector } from "./vector";
export { boolCol, floatCol, intCol, textCol, Col, Writer } from "./writer";

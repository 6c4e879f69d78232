// load-provider.cjs [MODULE...]: starts Pulumi's own provider program, loads modules as a resource's __provider would, and
// prints what that took and what the process holds: { load: ms, memory: bytes }.
const { performance } = require("node:perf_hooks");

const modules = process.argv.splice(2);
// The program wants the address of an engine; it connects to it only when there is something to say.
process.argv.push("127.0.0.1:1");
// It prints the port it listens on.
const print = console.log;
console.log = () => {
    const start = performance.now();
    for (const module of modules) require(module);
    const load = performance.now() - start;
    global.gc();
    print(JSON.stringify({ load, memory: process.memoryUsage().rss }));
    process.exit();
};
require("@pulumi/pulumi/cmd/dynamic-provider");

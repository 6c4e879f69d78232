const { availableParallelism } = require("node:os");

// One project per level of test; tools/test.ts prepares what each level needs and says what cannot run here and why.
const base = {
    testEnvironment: "node",
    transform: {
        "^.+\\.ts$": [
            "@swc/jest",
            { jsc: { target: "es2022", parser: { syntax: "typescript" } }, module: { type: "commonjs" } },
        ],
    },
    // dist is what users get; its compiled copies are not tests.
    modulePathIgnorePatterns: ["<rootDir>/dist/"],
};
const level = (name, extra = {}) => ({
    ...base,
    displayName: name,
    testMatch: [`<rootDir>/test/${name}/**/*.test.ts`],
    ...extra,
});

module.exports = {
    // Tests mostly wait, for machines and for the engine; jest's own choice on two processors is a single worker.
    maxWorkers: Math.min(2 * availableParallelism(), 8),
    // A step on a real machine takes seconds to minutes; each test that hangs still ends.
    testTimeout: 240_000,
    projects: [level("unit"), level("ssh"), level("engine"), level("lab")],
};

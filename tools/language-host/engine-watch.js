/** How often the parent is looked at, in ms. */
const interval = 250;

/**
 * Ends this process, and what was registered with {@link onEngineGone}, once the engine that started it is gone: an
 * engine that was killed says no goodbye, and host and program would live on for ever.
 */
function exitWithEngine() {
    const engine = process.ppid;
    const leave = () => {
        for (const action of actions) {
            action();
        }
        process.exit(1);
    };
    setInterval(() => {
        if (process.ppid !== engine) {
            leave();
        }
    }, interval).unref();
    // An engine that died before the line above was reached shows here: nobody reads the port.
    process.stdout.on("error", leave);
}

const actions = new Set();

/** Registers what is done when the engine is gone; returns the function that takes the registration back. */
function onEngineGone(action) {
    actions.add(action);
    return () => actions.delete(action);
}

module.exports = { exitWithEngine, onEngineGone };

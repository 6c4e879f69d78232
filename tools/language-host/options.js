/**
 * The options of the runtime in Pulumi.yaml that this host honours, with the defaults of the official one.
 * Throws for a value of the wrong type.
 */
function runtimeOptions(info) {
    const given = info?.getOptions()?.toJavaScript() ?? {};
    const option = (name, type, fallback) => {
        const value = given[name] ?? fallback;
        if (typeof value !== type) {
            throw new Error(`${name} option must be a ${type}`);
        }
        return value;
    };
    return {
        typescript: option("typescript", "boolean", true),
        tsconfig: option("tsconfig", "string", ""),
        nodeArguments: words(option("nodeargs", "string", "")),
        packageManager: option("packagemanager", "string", "auto"),
    };
}

/** Splits at white space; quotes hold a word together. */
function words(text) {
    const found = text.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
    return found.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

module.exports = { runtimeOptions };

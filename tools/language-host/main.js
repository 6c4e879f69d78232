/**
 * A small stand-in for pulumi-language-nodejs, for machines that have no official Pulumi installation: the gRPC service
 * through which the engine runs Node programs. Only this repository's demo and tests use it.
 *
 *     node main.js <directory whose node_modules holds @pulumi/pulumi> [flags of the engine] [engine address]
 *
 * Left out on purpose: code generation (GenerateProgram, GenerateProject, GeneratePackage, Pack, Link), RunPlugin
 * (policy packs, TypeScript plugins), and the pipes for synchronous invokes, which no program here uses.
 *
 * It starts twice per `pulumi` command, so at start it loads gRPC and the messages and nothing else.
 */
const { createRequire } = require("node:module");
const path = require("node:path");
const { exitWithEngine } = require("./engine-watch");

const [sdkHome, ...engineArguments] = process.argv.slice(2);
exitWithEngine();

// Where the repository this was installed from is gone, the program's own SDK serves as well.
const requireFrom = createRequire(path.join(sdkHome, "package.json"));
const requireSdk = (name) => {
    try {
        return requireFrom(name);
    } catch (error) {
        if (error.code !== "MODULE_NOT_FOUND") {
            throw error;
        }
        return createRequire(path.join(process.cwd(), "package.json"))(name);
    }
};
const services = requireSdk("@pulumi/pulumi/proto/language_grpc_pb.js");
const messages = requireSdk("@pulumi/pulumi/proto/language_pb.js");
const { PluginInfo } = requireSdk("@pulumi/pulumi/proto/plugin_pb.js");
const { Empty } = requireSdk("google-protobuf/google/protobuf/empty_pb.js");
const grpc = requireSdk("@grpc/grpc-js");

// The engine gives its address as the last argument, and again in the handshake.
const state = { engineAddress: engineArguments.at(-1) ?? "", programs: new Set() };

/** Turns an async function of the request into a gRPC handler of a call with one answer. */
const unary = (answer) => (call, callback) => {
    answer(call).then(
        (response) => callback(null, response),
        (error) => callback({ code: grpc.status.UNKNOWN, details: error.message }),
    );
};

const server = new grpc.Server({ "grpc.max_receive_message_length": -1, "grpc.max_send_message_length": -1 });
server.addService(services.LanguageRuntimeService, {
    handshake: unary(async (call) => {
        state.engineAddress = call.request.getEngineAddress();
        return new messages.LanguageHandshakeResponse();
    }),
    getPluginInfo: unary(async () => {
        const info = new PluginInfo();
        info.setVersion(requireSdk("@pulumi/pulumi/package.json").version);
        return info;
    }),
    // Packages of this repository's programs need no plugin besides the dynamic provider.
    getRequiredPackages: unary(async () => new messages.GetRequiredPackagesResponse()),
    run: unary((call) => require("./program").run(call, state, messages)),
    cancel: unary(async () => {
        for (const program of state.programs) {
            program.interrupt();
        }
        return new Empty();
    }),
    about: unary((call) => require("./about").about(call.request, messages)),
    getProgramDependencies: unary((call) => require("./about").dependencies(call.request, messages)),
    installDependencies: (call) => {
        require("./install")
            .install(call, messages)
            .then(
                () => call.end(),
                (error) => call.emit("error", { code: grpc.status.UNKNOWN, details: error.message }),
            );
    },
    runtimeOptionsPrompts: unary(async () => new messages.RuntimeOptionsResponse()),
    template: unary(async () => new messages.TemplateResponse()),
});
server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) {
        throw error;
    }
    process.stdout.write(`${port}\n`);
});

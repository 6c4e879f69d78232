import { spawn } from "node:child_process";
import { once } from "node:events";
import {
    existsSync,
    mkdirSync,
    mkdtempSync,
    readFileSync,
    realpathSync,
    rmSync,
    statSync,
    writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { actingFor, closeAllConnections, connect, startTranscript } from "../../src/ssh";
import type { TranscriptLine } from "../../src/ssh/transcript";
import { Sshd } from "../support/sshd";
import { describeSsh, failure, script, until } from "./support";

jest.setTimeout(60_000);

let directory: string;
let file: string;
beforeEach(() => {
    directory = realpathSync(mkdtempSync(join(tmpdir(), "fleet-transcript-")));
    file = join(directory, "transcript.jsonl");
});
afterEach(() => {
    startTranscript(undefined);
    rmSync(directory, { recursive: true, force: true });
});

function lines(path = file): TranscriptLine[] {
    return readFileSync(path, "utf8")
        .split("\n")
        .filter(Boolean)
        .map((line) => JSON.parse(line));
}

describeSsh("the transcript", () => {
    let sshd: Sshd;
    beforeAll(async () => {
        sshd = await Sshd.create();
    });
    afterEach(() => closeAllConnections());
    afterAll(() => sshd?.stop());

    const name = () => `${sshd.connection.user}@127.0.0.1:${sshd.port}`;

    it("has one line for each action, with who, what, for whom, how long and how much", async () => {
        startTranscript(file);
        const before = Date.now();
        const text = "cat; echo four; echo three >&2; exit 3";
        await actingFor("urn:of:web", async () => {
            const machine = await connect(sshd.connection);
            await machine.run({
                step: "count",
                script: script(text),
                stdin: Buffer.from("in"),
                sudo: false,
            });
            await machine.upload({
                step: "write x",
                path: join(directory, "x"),
                content: Buffer.alloc(5000),
                mode: "0600",
                sudo: false,
            });
        });
        const measured = { time: expect.any(String), pid: process.pid, durationMs: expect.any(Number) };
        const common = { ...measured, urn: "urn:of:web", machine: name() };
        expect(lines()).toEqual([
            { ...common, action: "connect", step: "connect" },
            {
                ...common,
                action: "run",
                step: "count",
                script: "test.sh",
                code: 3,
                bytesIn: 2 + 5 + 6,
                bytesOut: text.length + 2,
            },
            { ...common, action: "upload", step: "write x", bytesOut: 5000 },
        ]);
        for (const { time, durationMs } of lines()) {
            expect(Date.parse(time)).toBeGreaterThanOrEqual(before);
            expect(durationMs).toBeLessThan(Date.now() - before + 1);
        }
    });

    it("has a line for what fails, with the code of its error", async () => {
        startTranscript(file);
        await failure(connect({ ...sshd.connection, host: "127.0.0.2", port: 1 }));
        await failure(connect({ ...sshd.connection, privateKey: sshd.makeKey("stranger", "ed25519") }));
        const machine = await connect(sshd.connection);
        await failure(machine.run({ step: "wait", script: script("sleep 60"), timeout: 500, sudo: false }));
        await failure(
            machine.upload({ step: "write", path: "/nowhere/x", content: Buffer.from("x"), mode: "0600", sudo: false }),
        );
        await failure(machine.openUnixSocket("/nowhere/socket"));
        expect(lines().map(({ action, error, code }) => [action, error, code])).toEqual([
            ["connect", "HOST_UNREACHABLE", undefined],
            ["connect", "AUTHENTICATION_FAILED", undefined],
            ["connect", undefined, undefined],
            ["run", "TIMEOUT", undefined],
            ["upload", "UPLOAD_FAILED", undefined],
            ["openUnixSocket", "UNIX_SOCKET_REFUSED", undefined],
        ]);
        expect(lines()[3]!.durationMs).toBeGreaterThanOrEqual(500);
    });

    it("has the line of a stream when it is closed, with the bytes of both directions", async () => {
        const path = join(directory, "socket");
        const server = createServer((socket) => socket.once("data", () => socket.end("answer"))).listen(path);
        await once(server, "listening");
        startTranscript(file);
        const machine = await connect(sshd.connection);
        const socket = await machine.openUnixSocket(path);
        socket.write("question");
        expect(String(await once(socket, "data"))).toBe("answer");
        const command = await machine.openCommand({ step: "echo", argv: ["sh", "-c", "cat; exit 4"], sudo: false });
        command.on("error", () => {});
        command.end("abc");
        command.resume();
        await until(() => lines().length === 3, "three lines");
        server.close();
        expect(lines().slice(1)).toMatchObject([
            { action: "openUnixSocket", step: `open ${path}`, bytesIn: 6, bytesOut: 8 },
            { action: "openCommand", step: "echo", bytesIn: 3, bytesOut: 3, error: "REMOTE_COMMAND_FAILED" },
        ]);
    });

    it("has no secret in it, where a step names one", async () => {
        startTranscript(file);
        const machine = await connect({ ...sshd.connection, password: "s3cr3t-w0rd", sudoPassword: "other-s3cr3t" });
        await machine.run({
            step: "set s3cr3t-w0rd to other-s3cr3t",
            script: script("true"),
            args: ["s3cr3t-w0rd"],
            sudo: false,
        });
        expect(lines().at(-1)!.step).toBe("set [secret] to [secret]");
        expect(readFileSync(file, "utf8")).not.toMatch(/s3cr3t/);
    });

    it("that cannot be written any more ends the run: what was done is reported, and nothing more is done", async () => {
        const machine = await connect(sshd.connection);
        startTranscript("/dev/full");
        const watched = await connect(sshd.connection);
        const touch = (path: string) => ({ step: "touch", script: script('touch "$1"'), args: [path], sudo: false });
        const error = await failure(watched.run(touch(join(directory, "first"))));
        expect(error.code).toBe("TRANSCRIPT_UNWRITABLE");
        expect(error.message).toMatch(/\/dev\/full cannot be written: ENOSPC.*dockerfleet:transcript/);
        expect(existsSync(join(directory, "first"))).toBe(true);
        await failure(watched.run(touch(join(directory, "second"))));
        await failure(watched.openUnixSocket("/nowhere/socket").then((stream) => stream.destroy()));
        expect(existsSync(join(directory, "second"))).toBe(false);
        // Without a transcript the same machine works.
        await machine.run(touch(join(directory, "third")));
        expect(existsSync(join(directory, "third"))).toBe(true);
    });
});

describe("the transcript's file", () => {
    it("is made readable for its owner only, and is appended to", () => {
        writeFileSync(join(directory, "old"), "before\n", { mode: 0o640 });
        startTranscript(file);
        expect(statSync(file).mode & 0o777).toBe(0o600);
        startTranscript(join(directory, "old"));
        expect(readFileSync(join(directory, "old"), "utf8")).toBe("before\n");
    });

    it.each(["missing/transcript.jsonl", "."])(
        "that cannot be opened (%s) is an error that says what to do",
        (path) => {
            expect(() => startTranscript(join(directory, path))).toThrow(
                /\[TRANSCRIPT_UNWRITABLE\] The transcript \/.* cannot be written: E(NOENT|ISDIR).*Set dockerfleet:transcript/,
            );
        },
    );

    it("is found from the project's directory, wherever below it a process works", async () => {
        mkdirSync(join(directory, "a", "b"), { recursive: true });
        writeFileSync(join(directory, "Pulumi.yaml"), "name: test");
        const before = process.cwd();
        try {
            process.chdir(join(directory, "a", "b"));
            startTranscript("audit.jsonl");
            expect(existsSync(join(directory, "audit.jsonl"))).toBe(true);
            rmSync(join(directory, "Pulumi.yaml"));
            startTranscript("other.jsonl");
            expect(existsSync(join(directory, "a", "b", "other.jsonl"))).toBe(true);
        } finally {
            process.chdir(before);
        }
    });

    it("takes the lines of several processes at once, each whole", async () => {
        const program = join(directory, "writer.ts");
        writeFileSync(
            program,
            `import { startTranscript, transcribe } from ${JSON.stringify(join(__dirname, "../../src/ssh/transcript"))};
            startTranscript(${JSON.stringify(file)});
            const step = String(process.pid).repeat(900);
            async function main() {
                for (let i = 0; i < 300; i++) {
                    await transcribe({ machine: "m", action: "run", step }, (text) => text, async () => {});
                }
            }
            void main();`,
        );
        const writers = Array.from({ length: 4 }, () =>
            spawn(process.execPath, ["--import", "tsx", program], { cwd: join(__dirname, "../.."), stdio: "inherit" }),
        );
        const codes = await Promise.all(writers.map(async (writer) => (await once(writer, "exit"))[0]));
        expect(codes).toEqual([0, 0, 0, 0]);
        expect(lines()).toHaveLength(1200);
        for (const { pid, step } of lines()) {
            expect(step).toBe(String(pid).repeat(900));
        }
    });
});

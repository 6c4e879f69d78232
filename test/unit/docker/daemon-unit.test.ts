import fc from "fast-check";
import {
    environmentFile,
    expand,
    givenFlags,
    hostsDropIn,
    readEnvironmentFile,
    readUnit,
    splitWords,
    withoutHosts,
} from "../../../src/docker/daemon/unit";

const debian = `# /usr/lib/systemd/system/docker.service
[Unit]
Description=Docker
[Service]
# a comment
EnvironmentFile=-/etc/default/docker
ExecStart=/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS
ExecReload=/bin/kill -s HUP $MAINPID
`;
const fedora = `# /usr/lib/systemd/system/docker.service
[Service]
Environment="A=1 2" B=3
ExecStart=/usr/bin/dockerd \\
          --host=fd:// \\
          --exec-opt native.cgroupdriver=systemd \\
          $OPTIONS
`;

describe("a unit of docker", () => {
    it("is read as systemd reads it: the last ExecStart of all files, but not ours", () => {
        const dropIn =
            "\n# /etc/systemd/system/docker.service.d/ours.conf\n[Service]\nExecStart=\nExecStart=/bin/false\n";
        const theirs =
            "\n# /etc/systemd/system/docker.service.d/theirs.conf\n[Service]\nExecStart=\nExecStart=-/opt/dockerd -H fd://\n";
        expect(readUnit(debian + dropIn, ["/etc/systemd/system/docker.service.d/ours.conf"])).toEqual({
            command: "/usr/sbin/dockerd -H fd:// --containerd=/run/containerd/containerd.sock $DOCKER_OPTS",
            path: "/usr/lib/systemd/system/docker.service",
            environment: [],
        });
        expect(readUnit(debian + theirs, [])).toMatchObject({
            command: "/opt/dockerd -H fd://",
            path: "/etc/systemd/system/docker.service.d/theirs.conf",
        });
        expect(readUnit(fedora, []).environment).toEqual(["A=1 2", "B=3"]);
    });

    it("loses its -H in the drop-in, and nothing else", () => {
        const command = (unit: string) => /ExecStart=(\S.*)/.exec(hostsDropIn(readUnit(unit, []).command))?.[1];
        expect(command(debian)).toBe("/usr/sbin/dockerd --containerd=/run/containerd/containerd.sock $DOCKER_OPTS");
        expect(command(fedora)).toBe("/usr/bin/dockerd --exec-opt native.cgroupdriver=systemd $OPTIONS");
        expect(hostsDropIn("/usr/bin/dockerd")).toMatch(/^ExecStart=\nExecStart=\/usr\/bin\/dockerd$/m);
    });

    it("loses -H in each of its forms", () => {
        const words = (text: string) => withoutHosts(splitWords(text)).map(({ value }) => value);
        expect(words("d -H fd:// -Hfd:// --host=fd:// --host fd:// -H=fd:// --hosts x -D")).toEqual([
            "d",
            "--hosts",
            "x",
            "-D",
        ]);
    });
});

describe("the words of a command", () => {
    it("are split like systemd's", () => {
        expect(splitWords(`a "b c" 'd "e' f\\ g --x="y z"`).map(({ value }) => value)).toEqual([
            "a",
            "b c",
            'd "e',
            "f g",
            "--x=y z",
        ]);
    });

    it("have their variables replaced, split only where they stand alone", () => {
        const words = expand("d $OPTS --a=${OPTS} $NONE", { OPTS: '--x "1 2"' });
        expect(words.map(({ value }) => value)).toEqual(["d", "--x", "1 2", '--a=--x "1 2"']);
        expect(words.map(({ variable }) => variable)).toEqual([undefined, "OPTS", "OPTS", undefined]);
    });

    it("name the settings that are given as flags, and who gives them", () => {
        const words = expand(
            "dockerd -H fd:// --log-driver journald --selinux-enabled $O --label a=1 --add-runtime=x=/y -D",
            {
                O: "--live-restore --containerd=/x",
            },
        );
        expect(givenFlags(words)).toEqual([
            { key: "hosts", text: "-H fd://" },
            { key: "log-driver", text: "--log-driver journald" },
            { key: "selinux-enabled", text: "--selinux-enabled" },
            { key: "live-restore", text: "--live-restore", variable: "O" },
            { key: "containerd", text: "--containerd=/x", variable: "O" },
            { key: "labels", text: "--label a=1" },
            { key: "runtimes", text: "--add-runtime=x=/y" },
            { key: "debug", text: "-D" },
        ]);
    });
});

describe("an environment file", () => {
    it("is read as shells and systemd write it", () => {
        expect(
            readEnvironmentFile('# c\nA=1\n B = 2\nC="x y"\nD=\'q\'\nDOCKER_OPTS="--dns 8.8.8.8 \\\n --dns 8.8.4.4"\n'),
        ).toEqual({
            A: "1",
            C: "x y",
            D: "q",
            DOCKER_OPTS: "--dns 8.8.8.8  --dns 8.8.4.4",
        });
    });

    it("is read back as it was written", () => {
        const value = fc.string({ unit: fc.constantFrom(..."a $`\"\\'#%=:/@".split("")) });
        fc.assert(
            fc.property(
                fc.dictionary(fc.constantFrom("HTTP_PROXY", "B_2"), value, { noNullPrototype: true }),
                (variables) => {
                    expect(readEnvironmentFile(environmentFile(variables))).toEqual(variables);
                },
            ),
        );
    });
});

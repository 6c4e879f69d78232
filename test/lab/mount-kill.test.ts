import { basename } from "node:path";
import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { login } from "../support/docker-host";
import { describeLab, suiteReleases } from "../support/levels";
import { Disk, giveKey, MountResource } from "../support/mount";
import { Shell } from "../support/shell";

/** A program that kills the script which calls it or one like it for the N-th time (the number in /run/kill-at), and all its shells. */
const killer = (program: string) => `#!/bin/sh
n=$(cat /run/kill-at 2>/dev/null || echo 0)
[ "$n" -gt 0 ] || exec ${program} "$@"
echo $((n - 1)) >/run/kill-at
if [ "$n" -eq 1 ]; then
    p=$PPID
    victims=
    while :; do
        case $(cat /proc/$p/comm) in sh | dash | timeout) ;; *) break ;; esac
        victims="$p $victims"
        p=$(sed -n 's/^PPid:[[:space:]]*//p' /proc/$p/status)
    done
    touch /run/killed
    kill -9 $victims
    exit 1
fi
exec ${program} "$@"
`;

/** FLEET_MOUNT_KILL=all: at each step, of every kind. */
const isAll = process.env.FLEET_MOUNT_KILL === "all";
const stride = isAll ? 1 : 7;
type Kind = "bind" | "automount" | "block" | "sshfs";
const machines = [
    ...suiteReleases("trixie").map((release) => ({
        init: "systemd",
        release,
        layer: undefined,
        kinds: (isAll ? ["bind", "automount", "block", "sshfs"] : ["bind"]) as Kind[],
        /** Each of its calls is a step. */
        programs: ["/usr/bin/systemctl"],
    })),
    {
        init: "OpenRC",
        release: "trixie" as const,
        layer: "openrc" as const,
        kinds: (isAll ? ["bind", "block", "sshfs"] : ["bind"]) as Kind[],
        programs: ["cp", "mv", "cmp", "sync", "mount", "umount"]
            .map((name) => `/usr/bin/${name}`)
            .concat("/usr/sbin/rc-update"),
    },
];

describeLab.each(machines)(
    "a Mount whose script is killed on $init, $release",
    ({ release, layer, kinds, programs }) => {
        let lab: Lab;
        let host: LabHost;
        let shell: Shell;
        let disk: Disk | undefined;
        let source: Record<Kind, string>;
        const target = "/srv/data";
        /** As somebody has left it: without a line feed at its end. */
        const original = "# mine\nnone /mnt/a tmpfs noauto,size=1m";
        const fstab = () => host.exec("cat /etc/fstab").then(({ stdout }) => stdout);

        beforeAll(async () => {
            lab = await Lab.open();
            host = await lab.up(lab.uniqueName("mkill"), { release, layer });
            shell = await Shell.open(lab, host);
            await host.exec("cat >/etc/fstab", { input: original });
            await shell.run("mkdir -p /opt/data /srv/data; echo one >/opt/data/file");
            source = { bind: "/opt/data", automount: "/opt/data", block: "", sshfs: "" };
            if (isAll) {
                const server = await lab.up(lab.uniqueName("mkills"), { release });
                await server.exec("mkdir -p /srv/export; echo one >/srv/export/file");
                await giveKey(shell, lab.privateKey, server);
                disk = await Disk.add(shell, "kill");
                Object.assign(source, { block: disk.path, sshfs: `root@${server.address}:/srv/export` });
                const formatted = resource("block", { format: "ext4" });
                await formatted.up();
                await shell.run(`echo one >${target}/file`);
                await formatted.destroy();
            }
            for (const program of programs) {
                const path = `/usr/local/sbin/${basename(program)}`;
                await shell.run(`cat >${path} <<'END'\n${killer(program)}END\nchmod 0755 ${path}`);
            }
        });

        afterAll(async () => {
            shell?.close();
            await closeAllConnections();
            await lab?.close();
            if (host !== undefined) Disk.detachAll(host);
        });

        /**
         * Does something with the script being killed at its 1st, 2nd, … call of systemctl (in the suite only at some of them), until
         * it gets through.
         *
         * @param work gets the number of the try @returns at how many places it was killed
         */
        async function killedAt(
            work: (n: number) => Promise<unknown>,
            after: (n: number) => Promise<void>,
        ): Promise<number> {
            for (let n = 1, tries = 1; n < 60; n += stride, tries++) {
                await shell.run(`rm -f /run/killed; echo ${n} >/run/kill-at`);
                const failure = await work(tries).then(
                    () => undefined,
                    (error: Error) => error,
                );
                const wasKilled = (await shell.ask("rm /run/kill-at; ls /run/killed 2>/dev/null")) !== "";
                if (!wasKilled) {
                    if (failure !== undefined) throw failure;
                    return tries - 1;
                }
                expect((await fstab()).replace(/\n\S+ \/srv\/data \S+ \S+ 0 0$/, "")).toBe(original);
                await after(tries);
            }
            throw new Error("it never got through");
        }

        /** What makes a mount of that kind. */
        const argsOf = (kind: Kind) => ({
            type: kind === "automount" ? "bind" : kind,
            source: source[kind],
            options: [] as string[],
            automount: kind === "automount",
            guard: true,
        });
        const resource = (kind: Kind, more = {}) =>
            new MountResource("data", { connection: login(lab, host, "ops"), target, ...argsOf(kind), ...more });
        const isRight = async (kind: Kind, data: MountResource, isReadOnly: boolean) => {
            const count = kind === "automount" ? 2 : 1;
            expect(await data.drift()).toEqual({});
            expect(await shell.run(`cat ${target}/file; findmnt -no TARGET | grep -c ${target}$`)).toBe(
                `one\n${count}`,
            );
            expect(await shell.ask(`touch ${target}/x && echo written`)).toBe(isReadOnly ? "" : "written");
            const records = [
                ...(isReadOnly ? [] : ["guard"]),
                ...(layer && kind === "sshfs" ? ["network"] : []),
                "owner",
            ];
            expect(await shell.run("ls /var/lib/pulumi-docker-fleet/mounts/*/")).toBe(records.join("\n"));
            const entries = layer ? "grep /srv/data /etc/fstab" : "ls /etc/systemd/system | grep '^srv-data'";
            expect(await shell.run(`${entries} | wc -l; ls -d /etc/fstab*`)).toBe(`${count}\n/etc/fstab`);
        };
        const nothing = async () => {
            expect(
                await shell.ask(
                    "ls -d /etc/systemd/system/srv-* /etc/systemd/system/*/srv-* /var/lib/pulumi-docker-fleet /etc/fstab?* /etc/runlevels/*/netmount",
                ),
            ).toBe("");
            expect(await fstab()).toBe(original);
            expect(await shell.run("touch /srv/data/y; rm /srv/data/y; ls -A /srv/data | grep -c . || :")).toBe("0");
            expect(await shell.run("cat /opt/data/file")).toBe("one");
        };

        it.each(kinds)(
            "is made, changed, put back and removed by the next run, at whatever step it was killed: %s",
            async (kind) => {
                let data = resource(kind);
                const making = await killedAt(
                    () => data.up(),
                    async () => {
                        await data.up();
                        await isRight(kind, data, false);
                        await data.destroy();
                        await nothing();
                        data = resource(kind);
                    },
                );
                await isRight(kind, data, false);

                // With the guard turned off and on by the way.
                const change = (n: number) => (n % 2 === 1 ? { options: ["ro"], guard: false } : argsOf(kind));
                const changing = await killedAt(
                    (n) => data.up(change(n)),
                    async (n) => {
                        await data.drift();
                        await data.up(change(n));
                        await isRight(kind, data, n % 2 === 1);
                    },
                );

                // A change that fails, and is killed on its way there or back.
                await data.up(argsOf(kind));
                await isRight(kind, data, false);
                const wrong = { type: "tmpfs", source: undefined, options: ["size=nonsense"], guard: false };
                const back = async () => {
                    await data.drift();
                    await data.up(argsOf(kind));
                    await isRight(kind, data, false);
                };
                const fail = async () => {
                    const words = await data.up(wrong).then(
                        () => "",
                        ({ message }: Error) => message,
                    );
                    if (!/\[MOUNT_FAILED\].*everything is as it was before/.test(words)) throw new Error(words);
                };
                const undoing = await killedAt(fail, async () => {
                    await data.drift();
                    // How it was before is what the killed run has found, and not what it has left.
                    await fail();
                    await data.drift();
                    expect(data.inputs).toMatchObject({ mount: "mounted", type: argsOf(kind).type });
                    await back();
                });
                await isRight(kind, data, false);
                await back();

                const removing = await killedAt(
                    () => data.destroy(),
                    async () => {
                        await data.destroy();
                        await nothing();
                        data = resource(kind);
                        await data.up();
                    },
                );
                await nothing();
                // The steps are there, and the killer found them.
                expect(Math.min(making, changing, undoing, removing)).toBeGreaterThan(stride > 1 ? 0 : 3);
                if (isAll)
                    console.log(
                        `${layer ?? "systemd"}, ${kind}: killed at ${making}, ${changing}, ${undoing}, ${removing} steps`,
                    );
            },
            1_800_000,
        );
    },
);

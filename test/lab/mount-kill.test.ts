import { Lab, type LabHost } from "../../lab";
import { closeAllConnections } from "../../src/ssh";
import { login } from "../support/docker-host";
import { describeLab } from "../support/levels";
import { MountResource } from "../support/mount";
import { Shell } from "../support/shell";

/** A systemctl that kills the script which calls it for the N-th time (the number in /run/kill-at), and all its shells. */
const killer = `#!/bin/sh
n=$(cat /run/kill-at 2>/dev/null || echo 0)
[ "$n" -gt 0 ] || exec /usr/bin/systemctl "$@"
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
exec /usr/bin/systemctl "$@"
`;

/** FLEET_MOUNT_KILL=all: at each step. */
const stride = process.env.FLEET_MOUNT_KILL === "all" ? 1 : 5;

describeLab("a Mount whose script is killed", () => {
    let lab: Lab;
    let host: LabHost;
    let shell: Shell;
    const target = "/srv/data";

    beforeAll(async () => {
        lab = await Lab.open();
        host = await lab.up(lab.uniqueName("mkill"), { release: "trixie" });
        shell = await Shell.open(lab, host);
        await shell.run(
            `mkdir -p /opt/data /srv/data; echo one >/opt/data/file
            cat >/usr/local/sbin/systemctl <<'END'\n${killer}END\nchmod 0755 /usr/local/sbin/systemctl`,
        );
    });

    afterAll(async () => {
        shell?.close();
        await closeAllConnections();
        await lab?.close();
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
            await after(tries);
        }
        throw new Error("it never got through");
    }

    const isRight = async (data: MountResource, isReadOnly: boolean) => {
        expect(await data.drift()).toEqual({});
        expect(await shell.run(`cat ${target}/file; findmnt -no TARGET | grep -c ${target}$`)).toBe("one\n1");
        expect(await shell.ask(`touch ${target}/x && echo written`)).toBe(isReadOnly ? "" : "written");
        expect(
            await shell.run(`ls /etc/systemd/system | grep -c '^srv-data'; ls /var/lib/pulumi-docker-fleet/mounts/*`),
        ).toBe("1\nowner");
    };
    const resource = () =>
        new MountResource("data", { connection: login(lab, host, "ops"), type: "bind", source: "/opt/data", target });
    const nothing = async () => {
        expect(
            await shell.ask("ls -d /etc/systemd/system/srv-* /etc/systemd/system/*/srv-* /var/lib/pulumi-docker-fleet"),
        ).toBe("");
        expect(await shell.run("ls -A /srv/data | grep -c . || :; cat /opt/data/file")).toBe("0\none");
    };

    it("is made, changed and removed by the next run, at whatever step it was killed", async () => {
        let data = resource();
        const making = await killedAt(
            () => data.up(),
            async () => {
                await data.up();
                await isRight(data, false);
                await data.destroy();
                await nothing();
                data = resource();
            },
        );
        await isRight(data, false);

        const options = (n: number) => (n % 2 === 1 ? ["ro"] : []);
        const changing = await killedAt(
            (n) => data.up({ options: options(n) }),
            async (n) => {
                await data.drift();
                await data.up({ options: options(n) });
                await isRight(data, n % 2 === 1);
            },
        );

        const removing = await killedAt(
            () => data.destroy(),
            async () => {
                await data.destroy();
                await nothing();
                data = resource();
                await data.up();
            },
        );
        await nothing();
        // The steps are there, and the killer found them.
        expect(Math.min(making, changing, removing)).toBeGreaterThan(stride > 1 ? 0 : 3);
    }, 900_000);
});

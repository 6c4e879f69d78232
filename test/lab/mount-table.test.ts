import type { LabHost } from "../../lab";
import { DocsTable, markdownTable } from "../support/docs-table";
import { describeLab } from "../support/levels";
import { Disk, giveKey, MountMachine, type MountResource, until } from "../support/mount";

const local = ["bind", "tmpfs", "block"] as const;
const mounted = [...local, "sshfs"] as const;
const refused = ["nfs", "nfs4", "cifs"] as const;
type Type = (typeof mounted)[number] | (typeof refused)[number];
const situations = [
    "create",
    "options change",
    "reboot of the host",
    "server cut and healed",
    "server gone for good",
    "busy on delete",
    "drift",
] as const;
type Situation = (typeof situations)[number];

describeLab("what becomes of Mounts", () => {
    let at: MountMachine;
    let server: LabHost;
    let disk: Disk;
    const mounts = {} as Record<Type, MountResource>;
    const cells = Object.fromEntries([...mounted, ...refused].map((type) => [type, {}])) as Record<
        Type,
        Partial<Record<Situation, string>>
    >;
    const targetOf = (type: Type) => `/srv/${type}`;
    /** What a refresh says of it; and as the kernel says. */
    const word = async (type: Type) => {
        await mounts[type].drift();
        return `${mounts[type].inputs.mount}`;
    };
    /** Since when it is mounted. (The kernel gives the numbers of mounts that have ended to new ones.) */
    const mountedSince = (type: Type) =>
        at.shell.ask(
            `findmnt --mountpoint ${targetOf(type)} >/dev/null && systemctl show -p ActiveEnterTimestampMonotonic --value srv-${type}.mount`,
        );
    const codeOf = (work: Promise<unknown>) =>
        work.then(
            () => "done",
            ({ message }: Error) => /\[([A-Z_]+)\]/.exec(message)?.[1] ?? message,
        );
    /** A situation for several types, side by side: what came out goes into the table, and is as it should be. */
    const observe = async (
        situation: Situation,
        types: readonly Type[],
        due: string | Partial<Record<Type, string>>,
        look: (type: Type) => Promise<string>,
    ) => {
        await Promise.all(
            types.map(async (type) => {
                cells[type][situation] = await look(type);
            }),
        );
        const found = Object.fromEntries(types.map((type) => [type, cells[type][situation]]));
        expect(found).toEqual(typeof due === "string" ? Object.fromEntries(types.map((type) => [type, due])) : due);
    };

    beforeAll(async () => {
        jest.spyOn(console, "warn").mockImplementation(() => {});
        at = await MountMachine.open("trixie");
        server = await at.lab.up(at.lab.uniqueName("table"), { release: "trixie" });
        await server.exec("mkdir -p /srv/export");
        await giveKey(at.shell, at.lab.privateKey, server);
        disk = await Disk.add(at.shell, "table");
        // What the kernel and udev do on a real machine: the disk is there at boot.
        const number = disk.path.replace(/\D/g, "");
        await at.shell.run(
            `mkdir -p /opt/bind
            cat >/etc/systemd/system/disk.service <<'END'
[Unit]
DefaultDependencies=no
Before=local-fs-pre.target
[Service]
Type=oneshot
ExecStart=/bin/sh -c '[ -e ${disk.path} ] || mknod ${disk.path} b 7 ${number}'
[Install]
WantedBy=local-fs-pre.target local-fs.target
END
            systemctl enable disk.service`,
        );
        const address = server.address;
        const args: Record<Type, object> = {
            bind: { source: "/opt/bind" },
            tmpfs: {},
            block: { source: disk.path, format: "ext4" },
            sshfs: {
                source: `root@${address}:/srv/export`,
                options: ["ServerAliveInterval=2", "ServerAliveCountMax=2", "ConnectTimeout=3"],
            },
            nfs: { source: `${address}:/srv/export`, options: ["retry=0"] },
            nfs4: { source: `${address}:/srv/export`, options: ["retry=0"] },
            cifs: { source: `//${address}/share`, credentials: { username: "u", password: "p" } },
        };
        for (const type of [...mounted, ...refused]) {
            mounts[type] = at.resource(type, { type, target: targetOf(type), ...args[type] });
        }
    });

    afterAll(async () => {
        jest.restoreAllMocks();
        await server?.heal();
        await at?.close();
    });

    it("when they are created", async () => {
        await observe("create", mounted, "mounted", async (type) => {
            await mounts[type].up();
            return word(type);
        });
        await observe("create", refused, "`MOUNT_FAILED`: no client in the kernel", async (type) => {
            const words = await mounts[type].up().then(
                () => "",
                ({ message }: Error) => message,
            );
            const isKernel = /No such device|unknown filesystem|not (?:supported|configured)/i.test(words);
            return isKernel ? `\`${await codeOf(Promise.reject(new Error(words)))}\`: no client in the kernel` : words;
        });
    });

    it("when their options change", async () => {
        const due = { bind: "in place", tmpfs: "in place", block: "in place", sshfs: "mounted anew" };
        await observe("options change", mounted, due, async (type) => {
            const since = await mountedSince(type);
            const { options = [] } = mounts[type].inputs as { options?: string[] };
            await mounts[type].up({ options: [...options, "noexec"] });
            if ((await word(type)) !== "mounted") return await word(type);
            return (await mountedSince(type)) === since ? "in place" : "mounted anew";
        });
    });

    it("when somebody uses them, and they are deleted", async () => {
        await observe("busy on delete", mounted, "`MOUNT_BUSY`, stays mounted", async (type) => {
            const target = targetOf(type);
            const pid = await at.shell.run(`cd ${target} && (setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!)`);
            const code = await codeOf(mounts[type].destroy());
            await at.shell.run(`kill ${pid}`);
            const found = await word(type);
            return `\`${code}\`, ${found === "mounted" ? "stays mounted" : found}`;
        });
    });

    it("when somebody unmounts them", async () => {
        await observe("drift", mounted, "`not mounted`, then mounted", async (type) => {
            await at.shell.run(`until umount ${targetOf(type)}; do sleep 0.1; done`);
            const found = await word(type);
            await mounts[type].up();
            return `\`${found}\`, then ${await word(type)}`;
        });
    });

    it("when the machine boots", async () => {
        await Promise.all(mounted.map((type) => at.shell.run(`touch ${targetOf(type)}/file; sync`)));
        await at.reboot();
        const due = {
            bind: "mounted",
            tmpfs: "mounted, empty",
            block: "mounted",
            sshfs: "mounted",
        };
        await observe("reboot of the host", mounted, due, async (type) => {
            await until(() => at.shell.run(`findmnt ${targetOf(type)}`));
            const found = await word(type);
            return (await at.shell.ask(`ls ${targetOf(type)}`)).includes("file") ? found : `${found}, empty`;
        });
    });

    it("when their server is cut, and is back", async () => {
        await observe("server cut and healed", ["sshfs"], "`does not answer`, then goes on", async (type) => {
            const since = await mountedSince(type);
            await server.cut();
            const found = await word(type);
            await server.heal();
            await until(() => at.shell.run(`timeout 5 touch ${targetOf(type)}/after`));
            const goesOn = (await word(type)) === "mounted" && (await mountedSince(type)) === since;
            return `\`${found}\`, then ${goesOn ? "goes on" : await word(type)}`;
        });
    });

    it("when their server is gone for good", async () => {
        const due = "`MOUNT_SERVER_SILENT`, can be deleted";
        await observe("server gone for good", ["sshfs"], due, async (type) => {
            await server.cut();
            await word(type);
            const code = await codeOf(mounts[type].up());
            const end = await codeOf(mounts[type].destroy());
            const isGone = end === "done" && (await mountedSince(type)) === "";
            return `\`${code}\`, ${isGone ? "can be deleted" : end}`;
        });
    });

    it("are those in docs/mounts.md (UPDATE_DOCS=1 rewrites them)", async () => {
        for (const type of local) await mounts[type].destroy();
        expect(await at.traces()).toBe("");
        await disk.remove(at.shell);
        const rows = [...mounted, ...refused].map((type) => [
            `\`${type}\``,
            ...situations.map((situation) => cells[type][situation] ?? "–"),
        ]);
        const found = markdownTable([["`type`", ...situations], ...rows]);
        const page = new DocsTable("mounts.md", "situations");
        page.update(found);
        expect(page.text).toBe(found);
    });
});

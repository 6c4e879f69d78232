import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Lab, LabHost, Release } from "../../lab";
import type { ErrorCode } from "../../src/errors";
import type { Connection } from "../../src/ssh";
import { type KeyForms, passphrase } from "./keys";

/** What the ways in are tried with. */
export interface Surroundings {
    lab: Lab;
    host: LabHost;
    /** A key that the users of the lab host know, in many forms. */
    keys: KeyForms;
    /** Two hosts of other releases. */
    others: LabHost[];
    /** Its link-local IPv6 address, with the interface here that leads to it. */
    ipv6: string;
    /** URLs of a SOCKS5 and an HTTP proxy. */
    socks: string;
    http: string;
    /** A directory for files of this host. */
    directory: string;
    /** Socket of an agent that holds `keys` behind seven strangers. */
    agent: string;
}

/** One row of the table in docs/ssh.md. */
export interface Way {
    /** As it stands in the table. */
    name: string;
    /** What a connection that goes this way says beyond the host; the machine's key is known unless it says otherwise. */
    connection(surroundings: Surroundings): Partial<Connection> | Promise<Partial<Connection>>;
    /** The code of the error that this way has to end with; undefined = it leads in, as root. */
    refused?: ErrorCode;
    /** Releases without the programs that this way needs. */
    missingIn?: readonly Release[];
}

const password = (user: string) => (s: Surroundings) => ({ user, password: s.lab.password });
const key = (privateKey: (keys: KeyForms) => string, more: Partial<Connection> = {}) => ({
    connection: (s: Surroundings) => ({ user: "root", privateKey: privateKey(s.keys), ...more }),
});
const encrypted = { privateKeyPassword: passphrase };

/** A known_hosts file with these lines. */
function knownHosts(s: Surroundings, ...lines: string[]): Partial<Connection> {
    const file = join(s.directory, "known_hosts");
    writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
    return { user: "root", privateKey: s.lab.privateKey, hostKey: undefined, userKnownHostsFile: file };
}

/** A host key that is not the lab host's. */
const otherKey = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

const loggingIn: Way[] = [
    { name: "root with a key", ...key((keys) => keys.openssh()) },
    {
        name: "user with a key, sudo without a password",
        connection: (s) => ({ user: "ops", privateKey: s.lab.privateKey }),
    },
    {
        name: "user with a key, sudo with a password",
        connection: (s) => ({ user: "admin", privateKey: s.lab.privateKey, sudoPassword: s.lab.password }),
    },
    { name: "user with a password, which is also sudo's", connection: password("admin") },
    { name: "keyboard-interactive only, with a password", connection: password("keyboard") },
    {
        name: "two factors: a key, then a password",
        connection: (s) => ({ user: "factors", privateKey: s.lab.privateKey, password: s.lab.password }),
    },
    { name: "key, encrypted", ...key((keys) => keys.openssh({ encrypted: true }), encrypted) },
    { name: "key in PEM (PKCS#1)", ...key((keys) => keys.openssh({ pem: true })) },
    { name: "key in PEM, encrypted", ...key((keys) => keys.openssh({ pem: true, encrypted: true }), encrypted) },
    { name: "key in PKCS#8", ...key((keys) => keys.pkcs8()) },
    { name: "key in PKCS#8, encrypted", ...key((keys) => keys.pkcs8(true), encrypted) },
    { name: "PuTTY key, version 2", ...key((keys) => keys.putty(2)) },
    { name: "PuTTY key, version 3", ...key((keys) => keys.putty(3)) },
    { name: "PuTTY key, version 3, encrypted", ...key((keys) => keys.putty(3, true), encrypted) },
    { name: "key by its path (`identityFile`)", connection: (s) => ({ user: "root", identityFile: s.keys.path }) },
    {
        name: "several keys, the last one is right",
        connection: (s) => ({ user: "root", identityFile: [...s.keys.strangers(3), s.keys.path] }),
    },
    {
        name: "agent with eight keys, chosen by a `.pub` (`identityFile`)",
        connection: (s) => ({ user: "root", agentSocketPath: s.agent, identityFile: `${s.keys.path}.pub` }),
    },
    {
        name: "OpenSSH's configuration (`sshConfig`), with ProxyJump",
        connection: (s) => {
            const [config, known] = [join(s.directory, "config"), join(s.directory, "known_hosts")];
            writeFileSync(known, [s.host, s.others[0]!].map((host) => `${host.address} ${host.hostKey}\n`).join(""));
            const jumpHost = `Host bastion\n    HostName ${s.others[0]!.address}\n    User ops\n    IdentityFile ${s.lab.privateKeyPath}`;
            const machine = `Host web\n    HostName ${s.host.address}\n    Port 2222\n    User root\n    IdentityFile ${s.keys.path}\n    ProxyJump bastion`;
            const all = `Host *\n    StrictHostKeyChecking yes\n    UserKnownHostsFile ${known}`;
            writeFileSync(config, `${jumpHost}\n${machine}\n${all}\n`);
            return { host: "web", hostKey: s.host.hostKey, sshConfig: config };
        },
    },
    {
        name: "a dead agent beside a key",
        connection: (s) => ({ user: "root", agentSocketPath: "/nowhere/agent", privateKey: s.lab.privateKey }),
    },
    {
        name: "encrypted key, wrong passphrase",
        ...key((keys) => keys.openssh({ encrypted: true }), { privateKeyPassword: "wrong" }),
        refused: "PRIVATE_KEY_INVALID",
    },
    {
        name: "public key in place of the private one",
        ...key((keys) => keys.publicKey),
        refused: "PRIVATE_KEY_INVALID",
    },
    {
        name: "key that the machine does not know",
        connection: (s) => ({ user: "root", identityFile: s.keys.strangers(1) }),
        refused: "AUTHENTICATION_FAILED",
    },
    {
        name: "wrong password",
        connection: () => ({ user: "admin", password: "wrong" }),
        refused: "AUTHENTICATION_FAILED",
    },
];

const becomingRoot: Way[] = [
    { name: "sudo with `use_pty`", connection: password("usepty") },
    { name: "sudo with `requiretty`", connection: password("needstty") },
    { name: "sudo-rs, without a password", connection: password("rsfree"), missingIn: ["bookworm"] },
    { name: "sudo-rs, with a password", connection: password("rspass"), missingIn: ["bookworm"] },
    { name: "doas, without a password", connection: password("doasfree") },
    { name: "doas, with a password", connection: password("doaspass") },
    {
        name: "su with root's password",
        connection: (s) => ({ ...password("norights")(s), rootPassword: `root-${s.lab.password}` }),
    },
    {
        name: "su, wrong password",
        connection: (s) => ({ ...password("norights")(s), rootPassword: "wrong" }),
        refused: "ROOT_PASSWORD_WRONG",
    },
    {
        name: "doas, wrong password",
        connection: (s) => ({ user: "doaspass", privateKey: s.lab.privateKey, sudoPassword: "wrong" }),
        refused: "SUDO_PASSWORD_WRONG",
    },
    {
        name: "sudo with `requiretty`, and `PermitTTY no`",
        connection: password("notty"),
        refused: "SUDO_NOT_PERMITTED",
    },
    { name: "neither sudo nor doas", connection: password("bare"), refused: "SUDO_MISSING" },
    {
        name: "sudo, wrong password",
        connection: (s) => ({ user: "admin", privateKey: s.lab.privateKey, sudoPassword: "wrong" }),
        refused: "SUDO_PASSWORD_WRONG",
    },
    {
        name: "sudo with a password that nobody gave",
        connection: (s) => ({ user: "admin", privateKey: s.lab.privateKey }),
        refused: "SUDO_PASSWORD_REQUIRED",
    },
    { name: "user without any rights in sudoers", connection: password("norights"), refused: "SUDO_NOT_PERMITTED" },
];

const hostKeys: Way[] = [
    { name: "host key unknown, `accept-new`", connection: (s) => knownHosts(s) },
    {
        name: 'host key unknown, `strictHostKeyChecking: "yes"`',
        connection: (s) => ({ ...knownHosts(s), strictHostKeyChecking: "yes" }),
        refused: "HOST_KEY_UNKNOWN",
    },
    {
        name: "host key in known_hosts, by address",
        connection: (s) => ({
            ...knownHosts(s, `${s.host.address} ${s.host.hostKey}`),
            strictHostKeyChecking: "yes",
        }),
    },
    {
        name: "host key in known_hosts, hashed",
        connection: (s) => {
            const connection = knownHosts(s, `${s.host.address} ${s.host.hostKey}`);
            execFileSync("ssh-keygen", ["-q", "-H", "-f", connection.userKnownHostsFile as string], {
                stdio: "ignore",
            });
            return { ...connection, strictHostKeyChecking: "yes" };
        },
    },
    {
        name: "host key in known_hosts, by a pattern",
        connection: (s) => ({
            ...knownHosts(s, `${s.host.address.replace(/\d+$/, "*")} ${s.host.hostKey}`),
            strictHostKeyChecking: "yes",
        }),
    },
    {
        name: "host key vouched for by an `@cert-authority` only",
        connection: (s) => ({
            ...knownHosts(s, `@cert-authority * ${otherKey}`),
            strictHostKeyChecking: "yes",
        }),
        refused: "HOST_CERTIFICATE_UNSUPPORTED",
    },
    {
        name: "host key other than that in known_hosts",
        connection: (s) => knownHosts(s, `${s.host.address} ${otherKey}`),
        refused: "HOST_KEY_MISMATCH",
    },
    {
        name: "host key `@revoked` in known_hosts",
        connection: (s) => knownHosts(s, `@revoked * ${s.host.hostKey}`),
        refused: "HOST_KEY_REVOKED",
    },
    {
        name: "host key other than `hostKey`",
        connection: (s) => ({ user: "root", privateKey: s.lab.privateKey, hostKey: otherKey }),
        refused: "HOST_KEY_MISMATCH",
    },
];

/** A lab host to jump over. */
const jump = (s: Surroundings, host: LabHost, proxy?: Connection): Connection => ({
    host: host.address,
    hostKey: host.hostKey,
    user: "ops",
    privateKey: s.lab.privateKey,
    proxy,
});
const asRoot = (s: Surroundings) => ({ user: "root", privateKey: s.lab.privateKey });

const routes: Way[] = [
    { name: "another port", connection: (s) => ({ ...asRoot(s), port: 2222 }) },
    { name: "IPv6, link-local with its scope", connection: (s) => ({ ...asRoot(s), host: s.ipv6 }) },
    { name: "jump host", connection: (s) => ({ ...asRoot(s), proxy: jump(s, s.others[0]!) }) },
    {
        name: "two jump hosts in a row",
        connection: (s) => ({ ...asRoot(s), proxy: jump(s, s.others[0]!, jump(s, s.others[1]!)) }),
    },
    {
        name: "jump host with a password, machine with another user",
        connection: (s) => ({
            user: "admin",
            password: s.lab.password,
            proxy: { ...jump(s, s.others[0]!), user: "admin", privateKey: undefined, password: s.lab.password },
        }),
    },
    {
        name: "command (`proxyCommand`): `ssh -W %h:%p`",
        connection: (s) => ({
            ...asRoot(s),
            proxyCommand: `ssh ${s.others[0]!.sshArguments("ops").slice(0, -1).join(" ")} -W %h:%p ops@${s.others[0]!.address}`,
        }),
    },
    { name: "SOCKS5 proxy (`proxyUrl`)", connection: (s) => ({ ...asRoot(s), proxyUrl: s.socks }) },
    { name: "HTTP proxy with CONNECT (`proxyUrl`)", connection: (s) => ({ ...asRoot(s), proxyUrl: s.http }) },
    {
        name: "proxy that nobody runs",
        connection: (s) => ({ ...asRoot(s), proxyUrl: "socks5://127.0.0.1:9" }),
        refused: "HOST_UNREACHABLE",
    },
    {
        name: "jump host whose key is another one",
        connection: (s) => ({ ...asRoot(s), proxy: { ...jump(s, s.others[0]!), hostKey: otherKey } }),
        refused: "HOST_KEY_MISMATCH",
    },
    {
        name: "jump host that does not reach the machine",
        connection: (s) => ({ ...asRoot(s), port: 9, proxy: jump(s, s.others[0]!) }),
        refused: "HOST_UNREACHABLE",
    },
];

/** All rows, in the order of the table. */
export const ways: readonly Way[] = [...loggingIn, ...routes, ...becomingRoot, ...hostKeys];

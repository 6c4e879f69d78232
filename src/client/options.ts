import { optionMistake } from "../host/mount/options";

/** What the connection says, or the check of the host key rests on. */
const decided = [
    "BatchMode",
    "ChallengeResponseAuthentication",
    "GlobalKnownHostsFile",
    "GSSAPIAuthentication",
    "HostKeyAlias",
    "HostName",
    "IdentitiesOnly",
    "IdentityAgent",
    "IdentityFile",
    "CertificateFile",
    "KbdInteractiveAuthentication",
    "NoHostAuthenticationForLocalhost",
    "NumberOfPasswordPrompts",
    "PasswordAuthentication",
    "Port",
    "PreferredAuthentications",
    "ProxyJump",
    "PubkeyAuthentication",
    "StrictHostKeyChecking",
    "User",
    "UserKnownHostsFile",
    "VerifyHostKeyDNS",
    "port",
];

/** Options of mount(8) that have an argument of their own here, or no meaning. */
const others: Record<string, string> = {
    ro: "use the argument readOnly",
    rw: "use the argument readOnly",
    _netdev: "it is for /etc/fstab",
    nofail: "it is for /etc/fstab",
    delay_connect: "it is connected at once, to see whether it works",
};

/** What is wrong with an option of sshfs on this computer; undefined when nothing is. */
export function clientOptionMistake(option: string): string | undefined {
    const name = option.split("=", 1)[0]!;
    if (decided.includes(name)) return `${name}: that is for the argument connection to say`;
    if (others[name] !== undefined) return `${name}: ${others[name]}`;
    return optionMistake("sshfs", option);
}

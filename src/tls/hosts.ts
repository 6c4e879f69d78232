import { isIP } from "node:net";
import { domainToASCII } from "node:url";

/** A name or an address as certificates hold it, or what is wrong with it as a wish: "expected …". */
export type Host = { host: string } | { mistake: string };

const wish = 'a host name such as "docker.example.com" or "*.example.com", or an IP address';

/**
 * Brings a name or an address into the one form in which certificates hold it and clients look for it: names in lower case,
 * those with other letters as Punycode, without a dot at the end; IPv6 addresses in their shortest form, without brackets.
 */
export function canonicalHost(text: string): Host {
    const bare = /^\[.*\]$/.test(text) ? text.slice(1, -1) : text;
    if (isIP(bare) === 4 && bare === text) {
        return { host: bare };
    }
    if (isIP(bare) === 6) {
        return bare.includes("%")
            ? { mistake: "an address without a zone: clients leave out what follows the % when they compare" }
            : { host: new URL(`http://[${bare}]`).hostname.slice(1, -1) };
    }
    if (/[/:@]/.test(text)) {
        return { mistake: `${wish}, alone: without scheme, user, port and path` };
    }
    return canonicalName(text);
}

function canonicalName(text: string): Host {
    const [, star = "", rest = ""] = /^(\*\.)?(.*?)\.?$/s.exec(text)!;
    // Only what is not ASCII: of "10.1" the conversion would make an address.
    const name = /^[\x00-\x7f]*$/.test(rest) ? rest.toLowerCase() : domainToASCII(rest);
    const labels = name.split(".");
    if (!labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/.test(label))) {
        return { mistake: wish };
    }
    if (/^(?:\d+|0x[0-9a-f]*)$/.test(labels.at(-1)!)) {
        return { mistake: `${wish}; a name that ends with a number is read as an address by most programs` };
    }
    if (star !== "" && labels.length < 2) {
        return { mistake: `${wish}; clients accept no wildcard for a whole top-level domain` };
    }
    const host = star + name;
    return host.length > 253 ? { mistake: "a host name of at most 253 characters" } : { host };
}

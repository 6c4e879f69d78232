import { FleetError } from "../errors";

/** What is asked of OpenSSH's configuration. */
export interface SshQuery {
    /** The configuration file; undefined: the user's and the system's. */
    path: string | undefined;
    /** As the user wrote it. */
    host: string;
    /** Given by an argument, so that it goes before the configuration, also where that decides by it (`Match user`). */
    user: string | undefined;
    port: number | undefined;
}

/** What the configuration says of one host: each keyword, in lower case, with its values. */
export type SshOptions = Map<string, string[]>;

/** The error for a configuration that cannot be read or evaluated. */
export function configError(message: string, cure?: string): FleetError {
    return new FleetError({ code: "SSH_CONFIG_INVALID", message: `connection.sshConfig: ${message}`, cure });
}

/**
 * The error codes of this package. They are stable: scripts may match on them. docs/errors.md tells what each one means
 * and what to do; a unit test keeps that page and this list in step.
 */
export const errorCodes = [
    "INVALID_ARGUMENT",
    "HOST_UNREACHABLE",
    "HOST_NAME_UNKNOWN",
    "PROXY_FAILED",
    "CONNECTION_LOST",
    "TIMEOUT",
    "AUTHENTICATION_FAILED",
    "NO_AUTHENTICATION_METHOD",
    "PRIVATE_KEY_INVALID",
    "SSH_CONFIG_INVALID",
    "HOST_KEY_MISMATCH",
    "HOST_KEY_UNKNOWN",
    "HOST_KEY_REVOKED",
    "HOST_CERTIFICATE_UNSUPPORTED",
    "SHELL_UNUSABLE",
    "SUDO_PASSWORD_REQUIRED",
    "SUDO_PASSWORD_WRONG",
    "SUDO_NOT_PERMITTED",
    "SUDO_MISSING",
    "ROOT_PASSWORD_WRONG",
    "MACHINE_LOCKED",
    "UPLOAD_FAILED",
    "OUTPUT_TOO_LARGE",
    "UNIX_SOCKET_REFUSED",
    "REMOTE_COMMAND_FAILED",
    "UNSUPPORTED_MACHINE",
    "PACKAGE_MANAGER_LOCKED",
    "PACKAGE_NOT_AVAILABLE",
    "PACKAGE_OPERATION_FAILED",
    "CONFLICTING_INSTALLATION",
    "DAEMON_NOT_RUNNING",
    "ENGINE_MISSING",
    "SETTING_CLAIMED",
    "SETTING_CONFLICT",
    "SETTING_REFUSED",
    "DESTRUCTIVE_CHANGE",
    "RESTART_NOT_ALLOWED",
    "DAEMON_JSON_INVALID",
    "DAEMON_CONFIG_FAILED",
    "DOCKER_SOCKET_UNREACHABLE",
    "SSHD_CONFIG_INVALID",
    "SSHD_SETTING_OVERRIDDEN",
    "HARDENING_REFUSED",
    "HARDENING_UNDONE",
    "HARDENING_OWNED",
    "SSH_USER_MISSING",
    "AUTHORIZED_KEYS_UNUSABLE",
    "AUTHORIZED_KEYS_PERMISSIONS",
    "AUTHORIZED_KEYS_BUSY",
    "SSH_KEY_REFUSED",
    "SSH_KEY_IN_USE",
    "SSH_LAST_WAY_IN",
    "TLS_AUTHORITY_UNUSABLE",
    "MOUNT_FAILED",
    "MOUNT_BUSY",
    "MOUNT_CONFLICT",
    "MOUNT_SOURCE_MISSING",
    "MOUNT_TARGET_UNUSABLE",
    "MOUNT_FORMAT_REFUSED",
    "MOUNT_SERVER_SILENT",
    "SSHFS_UNAVAILABLE",
    "STATE_TOO_NEW",
    "TRANSCRIPT_UNWRITABLE",
] as const;

/** One of the stable codes of {@link errorCodes}. */
export type ErrorCode = (typeof errorCodes)[number];

/** What a {@link FleetError} is made of. */
export interface FleetErrorDetails {
    /** The stable code. */
    code: ErrorCode;
    /** The machine concerned, as `user@host` or `user@host:port`; left out for errors about arguments. */
    machine?: string;
    /** What was being done, e.g. `"log in"` or `"install docker.io"`. */
    step?: string;
    /** What happened, with the tool's own last words where there are any. Secrets must be masked by the caller. */
    message: string;
    /** What the reader can do about it, as a sentence. */
    cure?: string;
    /** The error underneath. */
    cause?: unknown;
}

/**
 * The one error class of this package: what happened, where, during which step, and what to do about it.
 *
 * @example `[SUDO_PASSWORD_WRONG] admin@203.0.113.10: become root: sudo refused the password. Set connection.sudoPassword …`
 */
export class FleetError extends Error {
    readonly #details: FleetErrorDetails;
    readonly code: ErrorCode;
    readonly machine: string | undefined;
    readonly step: string | undefined;
    readonly cure: string | undefined;

    constructor(details: FleetErrorDetails) {
        const place = [details.machine, details.step].filter((part) => part !== undefined).join(": ");
        const text = `[${details.code}] ${place ? `${place}: ` : ""}${details.message}${details.cure ? ` ${details.cure}` : ""}`;
        super(text, details.cause === undefined ? undefined : { cause: details.cause });
        this.name = "FleetError";
        this.#details = details;
        this.code = details.code;
        this.machine = details.machine;
        this.step = details.step;
        this.cure = details.cure;
    }

    /** The same error, with a part of it told in other words. */
    retold(change: (details: FleetErrorDetails) => Partial<FleetErrorDetails>): FleetError {
        return new FleetError({ ...this.#details, ...change(this.#details) });
    }
}

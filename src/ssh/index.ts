export { type Connection, connectionName } from "./connection";
export { blobType, fingerprintOf, generateKeyPair, type KeyPair, parsePublicKey } from "./key-pair";
export { knownHostsName } from "./known-hosts";
export type { CommandRequest, Machine, RunRequest, RunResult, UploadRequest } from "./machine";
export { type ConnectOptions, closeAllConnections, connect } from "./pool";
export { privateKeyMistake, publicKeyOf } from "./private-key";
export { loadScript, type Script, standaloneScript } from "./script";
export { withSshConfig } from "./ssh-config";
export { actingFor, startTranscript } from "./transcript";

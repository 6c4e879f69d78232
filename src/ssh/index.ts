export type { Connection } from "./connection";
export type { CommandRequest, Machine, RunRequest, RunResult, UploadRequest } from "./machine";
export { type ConnectOptions, closeAllConnections, connect } from "./pool";
export { loadScript, type Script } from "./script";

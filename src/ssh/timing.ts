/**
 * The clock of the SSH layer, in milliseconds. Nobody sets these through arguments; tests shorten them to see in seconds
 * what takes half a minute in life.
 */
export const timing = {
    /** Pause between two signs of life asked of the server. */
    keepaliveInterval: 10_000,
    /** So many unanswered questions in a row mean that the connection is gone. */
    keepaliveCount: 3,
    /** Pause after the first failed dial; each further one is 1.5 times as long. */
    firstPause: 1_000,
    /** The longest pause between two dials. */
    longestPause: 10_000,
    /** How long the login shell (and sudo) may take until our script begins. */
    begin: 60_000,
    /** A command has ended but something in its background holds its output: wait so long for silence. */
    afterExit: 500,
};

// Runs on a lab host: what a user's own program would do with mountOnClient. Commands come as lines of JSON, and so do answers.
const { createInterface } = require("node:readline");
const { mountOnClient } = require("/opt/client/dist/client/mount");

const mounts = new Map();

async function work({ mount, unmount }) {
    if (mount !== undefined) {
        const mounted = await mountOnClient(mount);
        mounts.set(mounted.mountpoint, mounted);
        return { ...mounted };
    }
    await mounts.get(unmount).unmount();
    return {};
}

createInterface({ input: process.stdin })
    .on("line", async (line) => {
        const answer = await work(JSON.parse(line)).catch(({ code, message, stack }) => ({
            error: { code, message: code === undefined ? stack : message },
        }));
        console.log(JSON.stringify(answer));
    })
    .on("close", () => process.exit());

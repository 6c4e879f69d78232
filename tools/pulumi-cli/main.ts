/** Prints the directory that holds the Pulumi CLI, so that a shell can say: PATH="$(npx tsx tools/pulumi-cli/main.ts):$PATH" */
import { ensurePulumi } from "./index";

ensurePulumi((line) => console.error(line)).then(
    ({ binDirectory }) => console.log(binDirectory),
    (error) => {
        console.error(error.message);
        process.exitCode = 1;
    },
);

// Makes many key pairs and has ssh-keygen check each: node tools/run.mjs tools/check-keys.ts [COUNT], 10000 unless told otherwise.
import { generateKeyPair } from "../src/ssh/key-pair";
import { checkKeys } from "../test/support/keygen";

async function main(): Promise<void> {
    const start = Date.now();
    const { count, mistakes } = await checkKeys(Number(process.argv[2] ?? 10_000), generateKeyPair);
    for (const mistake of mistakes.slice(0, 10)) console.log(mistake);
    const seconds = Math.round((Date.now() - start) / 1000);
    console.log(`${count - mistakes.length} of ${count} keys accepted by ssh-keygen -y, in ${seconds} s`);
    process.exitCode = mistakes.length === 0 ? 0 : 1;
}

void main();

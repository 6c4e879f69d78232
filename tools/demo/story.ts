const bold = process.stdout.isTTY ? (text: string) => `\u001b[1m${text}\u001b[0m` : (text: string) => text;

/** Begins a chapter. */
export function step(title: string): void {
    console.log(`\n${bold(`── ${title}`)}`);
}

/** One sentence of the story. */
export function say(line: string): void {
    console.log(`   ${line}`);
}

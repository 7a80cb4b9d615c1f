/** Where a command writes: results to `out`, everything about them to `err`. */
export interface Terminal {
  out(text: string): void
  err(text: string): void
  /** Replaces the line it wrote last, '' takes it away; absent where lines can only be added. */
  readonly live?: ((text: string) => void) | undefined
  /** How wide results may be; absent where nobody looks at them. */
  readonly columns?: number | undefined
}

export const processTerminal: Terminal = {
  get columns() {
    return process.stdout.isTTY ? process.stdout.columns || 80 : undefined
  },
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  live: process.stderr.isTTY
    ? (text) => void process.stderr.write(`\r\x1b[K${text.slice(0, (process.stderr.columns || 80) - 1)}`)
    : undefined,
}

/** Output that nobody takes any more (`| head -1`, a full disk) is no reason to end a server. */
export function tolerateLostOutput(outputs: readonly NodeJS.EventEmitter[] = [process.stdout, process.stderr]): void {
  for (const output of outputs) output.on('error', () => {})
}

import { run } from '../../src/commands/program.ts'

export interface Outcome {
  readonly exitCode: number
  readonly out: string
  readonly err: string
}

/** Runs a command line in this process and collects what it prints. */
export async function command(...words: string[]): Promise<Outcome> {
  const out: string[] = []
  const err: string[] = []
  const exitCode = await run(words, [], { out: (text) => void out.push(text), err: (text) => void err.push(text) })
  return { exitCode, out: out.join('\n'), err: err.join('\n') }
}

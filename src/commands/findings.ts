import pc from 'picocolors'
import type { Finding } from '../doctor/finding.ts'
import { ExitCode } from './exit-code.ts'
import type { Terminal } from './terminal.ts'
import { wrap } from './wrap.ts'

/** Prints a report and returns the exit code: 1 when something does not work. */
export function report(findings: readonly Finding[], asked: { readonly json?: true }, terminal: Terminal): number {
  const failures = findings.filter(({ level }) => level === 'failure')
  const isOk = failures.length === 0
  if (asked.json) terminal.out(JSON.stringify({ ok: isOk, findings }, null, 2))
  else {
    const width = Math.max(...findings.map(({ subject }) => subject.length))
    terminal.out(findings.map((finding) => lines(finding, width)).join('\n'))
  }
  return isOk ? ExitCode.OK : ExitCode.FAILED
}

const MARKS = { ok: pc.green('✓'), warning: pc.yellow('!'), failure: pc.red('✗') } as const

/** Mark, subject and text; under it, as far in as the text, what to do. */
function lines({ level, subject, text, fix }: Finding, width: number): string {
  const indent = width + 4
  const body = wrap(text, indent).slice(indent)
  const head = `${MARKS[level]} ${subject.padEnd(width)}  ${body}`
  return fix === null ? head : `${head}\n${pc.dim(wrap(`→ ${fix}`, indent))}`
}

import type { Reporter, TestModule } from 'vitest/node'

/** Ends the run with what needed a second try, what was skipped and why, and one plain line of counts. */
export default class SummaryReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const counts = { passed: 0, failed: 0, skipped: 0 }
    const reasons = new Map<string, number>()
    for (const module of modules) {
      let tests = 0
      for (const test of module.children.allTests()) {
        tests++
        const state = test.result().state
        if (state === 'passed' && (test.diagnostic()?.retryCount ?? 0) > 0)
          console.log(`passed at the second try: ${test.fullName}`)
        if (state === 'passed' || state === 'failed') counts[state]++
        else {
          counts.skipped++
          const note = (test.result() as { note?: string }).note
          const reason = note ?? /\[skipped: ([^\]]+)\]/.exec(test.fullName)?.[1] ?? 'no reason given'
          reasons.set(reason, (reasons.get(reason) ?? 0) + 1)
        }
      }
      // A file that could not be collected, or holds nothing, is a failure and not silence.
      if (tests === 0) counts.failed++
    }
    for (const [reason, count] of reasons) console.log(`skipped ${count}: ${reason}`)
    console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`)
  }
}

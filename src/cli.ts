import { ignoreEarlySignals } from './commands/early-signals.ts'
import { nodeComplaint } from './commands/node-version.ts'
import { filesComplaint } from './commands/too-many-files.ts'

ignoreEarlySignals()

// The rest is loaded later: a Node too old for our dependencies must get a sentence, not a stack trace.
const complaint = nodeComplaint(process.versions.node)
if (complaint?.fatal) {
  process.stderr.write(`webrtc-stack: ${complaint.message}\n`)
  process.exitCode = 1
} else {
  try {
    const { run } = await import('./commands/program.ts')
    process.exitCode = await run(process.argv.slice(2), complaint === null ? [] : [complaint.message])
  } catch (error) {
    // Our own files can be too many already.
    const tooMany = filesComplaint(error)
    if (tooMany === null) throw error
    process.stderr.write(`webrtc-stack: ${tooMany}\n`)
    process.exitCode = 1
  }
}

import { execFileSync } from 'node:child_process'
import { installPeers } from './peers.ts'

/** Runs once before all suites: peers from the distribution, then the build that the command-line suites start. */
export default function setup(): void {
  installPeers((line) => console.log(line))
  if (process.env['WEBRTC_STACK_TEST_SKIP_BUILD'] === undefined)
    execFileSync('npx', ['tsup', '--silent'], { stdio: ['ignore', 'ignore', 'inherit'] })
}

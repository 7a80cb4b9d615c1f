import { execFileSync } from 'node:child_process'
import { installPeers } from './peers.ts'

/** Runs before the first suite of each project that meets the world: peers from the distribution, then one build for all. */
export default function setup(): void {
  installPeers((line) => console.log(line))
  if (process.env['WEBRTC_STACK_TEST_SKIP_BUILD'] !== undefined) return
  execFileSync('npx', ['tsup', '--silent'], { stdio: ['ignore', 'ignore', 'inherit'] })
  // The next project's set-up runs in this process, too; programs are already being started from this build.
  process.env['WEBRTC_STACK_TEST_SKIP_BUILD'] = 'built'
}

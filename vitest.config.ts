import { defineConfig } from 'vitest/config'
import { linuxSupport } from './src/net/linux/system-calls.ts'
import { defines, virtualModules } from './tsup.config.ts'

/** Every test file is in exactly one of these four kinds; test/projects.test.ts holds us to it. */
const ALL = 'test/**/*.test.{ts,tsx}'

/** The pure core and the configuration: no sockets, no peers, no build. */
const CORE = 'test/{stun,turn,rooms,config,shared}/**/*.test.{ts,tsx}'

/**
 * Suites that judge a running server. They run once for each way in which it can move packets (`udp-io`), and
 * test/support/server.ts sees to it that it does. A file that only one of the two can pass is named after it
 * (`*.dgram.test.ts`) and says why.
 */
const SERVER_SUITES = [
  'test/{bench,server}/*.test.ts',
  'test/e2e/!(apprtc|package|rooms|turnserver-conf).test.ts',
  'test/security/!(process).test.ts',
  'test/commands/bench.test.ts',
  'test/server.test.ts',
]

/** The build as it is, under each Node that people run. */
const NODES = 'test/nodes/**/*.test.ts'

/** Fresh for each project: vitest takes the definitions out of what it is given. */
const source = () => ({
  define: { ...defines },
  plugins: [
    {
      name: 'embed',
      resolveId: (id: string) => (id in virtualModules ? `\0${id}` : null),
      load: (id: string) => virtualModules[id.slice(1)]?.(false) ?? null,
    },
  ],
})

/** Real sockets, browsers and peers on a machine that does other things too. */
const PEERS = 'test/support/peers-setup.ts'
const outside = {
  globalSetup: PEERS,
  pool: 'forks',
  // One more try, and the summary names who needed it.
  retry: 1,
  testTimeout: 20_000,
  hookTimeout: 60_000,
} as const

/** Where packets cannot be moved in batches that run is left out and says so; with CI=true it fails instead. */
const batches = linuxSupport()
if (!batches.available) console.log(`No suite runs with udp-io=batch: ${batches.reason}`)
const canSkip = process.env['CI'] !== 'true'

export default defineConfig({
  test: {
    reporters: ['default', './test/support/summary-reporter.ts'],
    maxWorkers: 2,
    projects: [
      {
        ...source(),
        // Nothing here leaves anything behind, so the files of a worker share what they import. Nothing waits either: a test takes
        // long when the machine has much else to do, and is not tried again.
        test: { name: 'core', include: [CORE], pool: 'threads', isolate: false, testTimeout: 60_000 },
      },
      {
        ...source(),
        test: { ...outside, name: 'parts', include: [ALL], exclude: [CORE, NODES, ...SERVER_SUITES] },
      },
      serverProject('dgram', 'batch'),
      ...(batches.available || !canSkip ? [serverProject('batch', 'dgram')] : []),
      {
        ...source(),
        test: {
          ...outside,
          globalSetup: [PEERS, 'test/nodes/install.ts'],
          name: 'nodes',
          include: [NODES],
        },
      },
    ],
  },
})

function serverProject(udpIo: 'batch' | 'dgram', other: 'batch' | 'dgram') {
  return {
    ...source(),
    test: {
      ...outside,
      name: `udp-io=${udpIo}`,
      include: SERVER_SUITES,
      exclude: [`**/*.${other}.test.ts`],
      provide: { udpIo },
    },
  }
}

import { execFileSync } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { describe, test } from 'vitest'

/** Programs that nobody here wrote, which judge us: the Debian package and the file that shows it is there. */
export const peers = {
  chromium: { package: 'chromium', path: '/usr/bin/chromium' },
  firefox: { package: 'firefox-esr', path: '/usr/bin/firefox-esr' },
  coturn: { package: 'coturn', path: '/usr/bin/turnutils_uclient' },
  sqlite: { package: 'sqlite3', path: '/usr/bin/sqlite3' },
  redis: { package: 'redis-server', path: '/usr/bin/redis-server' },
  postgresql: { package: 'postgresql', path: '/usr/bin/psql' },
  mariadb: { package: 'mariadb-server', path: '/usr/sbin/mariadbd' },
  aioice: { package: 'python3-aioice', path: '/usr/lib/python3/dist-packages/aioice/__init__.py' },
  iproute: { package: 'iproute2', path: '/usr/sbin/ip' },
  python: { package: 'python3-minimal', path: '/usr/bin/python3' },
  stunClient: { package: 'stun-client', path: '/usr/bin/stun' },
  systemd: { package: 'systemd', path: '/usr/bin/systemd-analyze' },
  openssl: { package: 'openssl', path: '/usr/bin/openssl' },
  gnutls: { package: 'gnutls-bin', path: '/usr/bin/gnutls-cli' },
  nginx: { package: 'nginx-light', path: '/usr/sbin/nginx' },
  haproxy: { package: 'haproxy', path: '/usr/sbin/haproxy' },
  cjkFonts: { package: 'fonts-noto-cjk', path: '/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc' },
} as const

export type Peer = keyof typeof peers

export function isInstalled(peer: Peer): boolean {
  try {
    accessSync(peers[peer].path, constants.R_OK)
    return true
  } catch {
    return false
  }
}

/** Installs what is missing when this is root on Debian or Ubuntu, and says so; elsewhere says what will be skipped. */
export function installPeers(say: (line: string) => void): void {
  const missing = (Object.keys(peers) as Peer[]).filter((peer) => !isInstalled(peer))
  if (missing.length === 0) return
  const packages = missing.map((peer) => peers[peer].package)
  if (process.getuid?.() !== 0 || !hasApt()) {
    say(
      `Not installed here: ${packages.join(', ')}. The suites that need them are skipped (as root on Debian they would be installed).`,
    )
    return
  }
  say(`Installing Debian packages that the tests use as peers: ${packages.join(', ')}`)
  // A package must not start its service (coturn, nginx) on the machine just because a test wants its tools.
  const environment = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }
  const run = (...words: string[]) =>
    execFileSync('apt-get', words, { stdio: ['ignore', 'ignore', 'inherit'], env: environment })
  try {
    run('update', '-qq')
    run('install', '-y', '-qq', '--no-install-recommends', ...packages)
  } catch (error) {
    say(`Installing failed: ${(error as Error).message}`)
  }
}

function hasApt(): boolean {
  try {
    accessSync('/usr/bin/apt-get', constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * A suite that needs peers. Where one is absent the suite is skipped with the reason in its name; with CI=true it fails
 * instead, so that a gate never passes on a suite nobody ran.
 */
export function describeWith(needed: readonly Peer[], name: string, body: () => void): void {
  const absent = needed.filter((peer) => !isInstalled(peer))
  if (absent.length === 0) {
    describe(name, body)
    return
  }
  const reason = `${absent.map((peer) => peers[peer].package).join(', ')} not installed`
  if (process.env['CI'] === 'true') {
    test(`${name}: ${reason}`, () => {
      throw new Error(`${reason}, and CI=true does not skip`)
    })
  } else describe.skipIf(true)(`${name} [skipped: ${reason}]`, body)
}

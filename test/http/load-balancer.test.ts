import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test, vi } from 'vitest'
import { describeWith } from '../support/peers.ts'
import { startTestServer } from '../support/server.ts'

describeWith(['haproxy'], 'HAProxy in front', () => {
  test('its checks find every port up', findsEveryPortUp)
})

async function findsEveryPortUp(): Promise<void> {
  const server = await startTestServer({
    'udp-io': 'dgram',
    prometheus: true,
    'prometheus-address': '127.0.0.1',
    'prometheus-port': '0',
  })
  onTestFinished(() => server.close())
  const { web, metrics } = server.running
  const ports = [
    ['page', web!.http!.port, ''],
    ['page-tls', web!.https!.port, 'check-ssl verify none'],
    ['collider', web!.collider!.port, 'check-ssl verify none'],
    ['metrics', metrics!.port, ''],
  ] as const
  // Without more words HAProxy asks `OPTIONS / HTTP/1.0`, with a path in HTTP/1.0, too, and never names a host by itself.
  const checks = ['option httpchk', 'option httpchk GET /healthz', 'option httpchk OPTIONS * HTTP/1.0']
  const folder = mkdtempSync(join(tmpdir(), 'haproxy-'))
  const socket = join(folder, 'stats')
  const backends = checks.map(
    (check, i) =>
      `backend b${i}\n ${check}\n${ports.map(([name, port, tls]) => ` server ${name} 127.0.0.1:${port} check inter 100 ${tls}`).join('\n')}`,
  )
  const configuration = join(folder, 'haproxy.cfg')
  writeFileSync(
    configuration,
    `global\n stats socket ${socket}\ndefaults\n mode http\n timeout connect 2s\n timeout server 2s\n${backends.join('\n')}\n`,
  )
  const haproxy = spawn('/usr/sbin/haproxy', ['-f', configuration, '-db'], { stdio: 'ignore' })
  onTestFinished(async () => {
    haproxy.kill('SIGKILL')
    if (haproxy.exitCode === null && haproxy.signalCode === null) await once(haproxy, 'exit')
  })
  const states = async () => {
    const asked = connect(socket)
    asked.end('show stat\n')
    const rows = (await text(asked)).split('\n').map((row) => row.split(','))
    const [status, result] = [rows[0]!.indexOf('status'), rows[0]!.indexOf('check_status')]
    return rows
      .filter(([backend, name]) => backend?.startsWith('b') && name !== 'BACKEND')
      .map((row) => `${row[0]} ${row[1]} ${row[status]} ${row[result]}`)
  }
  await vi.waitFor(
    async () => {
      const wanted = checks.flatMap((_, i) => ports.map(([name]) => `b${i} ${name} UP L7OK`))
      expect(await states()).toEqual(wanted)
    },
    { timeout: 10_000, interval: 200 },
  )
}

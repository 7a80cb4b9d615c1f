import { spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { vi } from 'vitest'
import { freePort } from './sockets.ts'

/** coturn's own turnserver on 127.0.0.1. */
export interface CoturnServer {
  readonly port: number
  readonly tlsPort: number
  readonly altPort: number
  close(): Promise<void>
}

/** Starts Debian's turnserver with these further words, and waits until it answers. */
export async function startCoturn(words: readonly string[]): Promise<CoturnServer> {
  const [port, tlsPort, altPort, altTlsPort] = [await freePort(), await freePort(), await freePort(), await freePort()]
  const folder = mkdtempSync(join(tmpdir(), 'coturn-'))
  const fixed = [
    ['-n', '--listening-ip=127.0.0.1', '--relay-ip=127.0.0.1', `--listening-port=${port}`],
    [`--tls-listening-port=${tlsPort}`, `--alt-listening-port=${altPort}`, `--alt-tls-listening-port=${altTlsPort}`],
    ['--allow-loopback-peers', '--cli-password=unused', '--no-cli', '--simple-log', '--log-file=stdout'],
    [`--pidfile=${join(folder, 'pid')}`, `--userdb=${join(folder, 'turndb')}`],
  ].flat()
  const child = spawn('/usr/bin/turnserver', [...fixed, ...words], { stdio: 'ignore', cwd: folder })
  const probe = createSocket('udp4')
  let isAnswering = false
  probe.on('message', () => {
    isAnswering = true
  })
  probe.on('error', () => {})
  try {
    await vi.waitFor(
      () => {
        probe.send(Buffer.from('000100002112a442000102030405060708090a0b', 'hex'), port, '127.0.0.1')
        if (!isAnswering) throw new Error('turnserver does not answer')
      },
      { timeout: 10_000, interval: 100 },
    )
  } finally {
    probe.close()
  }
  return {
    port,
    tlsPort,
    altPort,
    close: async () => {
      child.kill('SIGKILL')
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { onTestFinished, vi } from 'vitest'

/** One DTLS session with a server on loopback: what is written leaves as one record, if the pipe keeps it together. */
export interface DtlsSession {
  onDatagram: (bytes: Buffer) => void
  readonly cipher: string
  readonly closed: Promise<void>
  send(bytes: Buffer): void
  close(): void
}

/** Lets the openssl program make the handshake; rejects when it fails. */
export async function connectDtls(port: number, words: readonly string[] = []): Promise<DtlsSession> {
  const flags = ['-dtls1_2', '-no_ign_eof', '-nocommands', '-connect', `127.0.0.1:${port}`]
  const program = spawn('openssl', ['s_client', ...flags, ...words], { stdio: ['pipe', 'pipe', 'pipe'] })
  const closed = once(program, 'close').then(() => {})
  onTestFinished(() => {
    program.kill('SIGKILL')
    return closed
  })
  program.stdin.on('error', () => {})
  let greeting = ''
  let isOpen = false
  const session = {
    cipher: '',
    closed,
    onDatagram: (_bytes: Buffer) => {},
    send: (bytes: Buffer) => void program.stdin.write(bytes),
    close: () => void program.stdin.end(),
  }
  program.stdout.on('data', (chunk: Buffer) => {
    if (isOpen) session.onDatagram(chunk)
    else greeting += chunk.toString('latin1')
  })
  await vi.waitFor(
    () => {
      if (!greeting.includes('\n---\n') || !/Verify return code: .*\n/.test(greeting))
        throw new Error(`no handshake: ${greeting}`)
    },
    { timeout: 10_000 },
  )
  isOpen = true
  session.cipher = /Cipher is (\S+)/.exec(greeting)?.[1] ?? ''
  return session
}

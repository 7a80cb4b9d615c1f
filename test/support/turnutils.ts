import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { expect, vi } from 'vitest'
import { peers } from './peers.ts'
import { freePort } from './sockets.ts'

/** What a program printed and how it ended. */
export interface Output {
  readonly code: number | null
  readonly text: string
}

/** What coturn's client sums up when it is done. */
export interface UclientSummary extends Output {
  readonly sent: number
  readonly received: number
  readonly lost: number
}

const LIMIT_MS = 45_000

/** Runs coturn's test client to its end, in the network of another process if one is given. */
export async function uclient(words: readonly string[], limitMs?: number, network?: number): Promise<UclientSummary> {
  const [program, ...rest] = [
    ...(network === undefined ? [] : ['nsenter', '-t', `${network}`, '-n']),
    peers.coturn.path,
  ]
  const output = await run(program!, [...rest, ...words], limitMs)
  const last = (pattern: RegExp) => Number([...output.text.matchAll(pattern)].at(-1)?.[1] ?? Number.NaN)
  return {
    ...output,
    sent: last(/tot_send_msgs=(\d+)/g),
    received: last(/tot_recv_msgs=(\d+)/g),
    lost: last(/Total lost packets (\d+)/g),
  }
}

/** Runs a program to its end; one that hangs is killed and says so. */
export function run(program: string, words: readonly string[], limitMs = LIMIT_MS): Promise<Output> {
  return new Promise((resolve) => {
    const child = execFile(program, words, { timeout: limitMs, killSignal: 'SIGKILL' }, (error, stdout, stderr) => {
      const hung = error?.killed ? `\n${program} did not end within ${limitMs} ms` : ''
      resolve({ code: child.exitCode, text: `${stdout}${stderr}${hung}` })
    })
  })
}

/** coturn's echo peer on 127.0.0.1 and ::1. */
export interface EchoPeer {
  readonly port: number
  close(): Promise<void>
}

export async function startEchoPeer(): Promise<EchoPeer> {
  for (;;) {
    // turnutils_peer takes no port 0.
    const port = await freePort()
    const child = spawn('turnutils_peer', ['-L', '127.0.0.1', '-L', '::1', '-p', String(port)], { stdio: 'ignore' })
    const answers = Promise.all([echoes('127.0.0.1', port), echoes('::1', port)])
    const isAnswering = await Promise.race([answers.then(() => true), once(child, 'exit').then(() => false)])
    if (isAnswering) return { port, close: () => kill(child) }
    // Somebody else took the port meanwhile.
    await answers.catch(() => {})
  }
}

async function kill(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGKILL')
  await once(child, 'exit')
}

async function echoes(host: string, port: number): Promise<void> {
  const socket = await bound(host)
  let answered = false
  socket.on('message', () => {
    answered = true
  })
  socket.on('error', () => {})
  try {
    await vi.waitFor(() => {
      socket.send('are you there?', port, host)
      expect(answered).toBe(true)
    })
  } finally {
    socket.close()
  }
}

async function bound(host: string): Promise<Socket> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  await new Promise<void>((resolve) => socket.bind(0, host, resolve))
  return socket
}

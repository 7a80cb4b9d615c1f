import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { onTestFinished } from 'vitest'
import { Address } from '../../src/stun/address.ts'
import { peers } from './peers.ts'
import { Inbox } from './sockets.ts'

/** The fields of an IP header that a relay takes over: TTL or Hop Limit; TOS or Traffic Class (DSCP and ECN). */
export interface IpFields {
  readonly ttl: number
  readonly tos: number
}

export interface Seen extends IpFields {
  readonly bytes: Buffer
}

/** A UDP socket of another program, which sets and sees IP header fields. */
export class IpEndpoint {
  readonly inbox = new Inbox<Seen>()
  readonly address: Address
  /** Of the program. */
  readonly pid: number
  readonly #order: (line: string) => void

  private constructor(address: Address, pid: number, order: (line: string) => void) {
    this.address = address
    this.pid = pid
    this.#order = order
  }

  static async open(host: string): Promise<IpEndpoint> {
    const script = fileURLToPath(new URL('ip-endpoint.py', import.meta.url))
    const child = spawn(peers.python.path, [script, host], { stdio: ['pipe', 'pipe', 'inherit'] })
    onTestFinished(async () => {
      if (child.exitCode !== null) return
      const gone = once(child, 'exit')
      child.stdin.end()
      await gone
    })
    const lines = createInterface(child.stdout)
    const [port] = (await once(lines, 'line')) as [string]
    const endpoint = new IpEndpoint(Address.parse(host, Number(port))!, child.pid!, (line) =>
      child.stdin.write(`${line}\n`),
    )
    lines.on('line', (line) => {
      const { hex, ttl, tos } = JSON.parse(line) as IpFields & { hex: string }
      endpoint.inbox.push({ bytes: Buffer.from(hex, 'hex'), ttl, tos })
    })
    return endpoint
  }

  send(bytes: Buffer, to: Address, fields: IpFields): void {
    this.sendAll([[bytes, fields]], to)
  }

  /** One right behind the other. */
  sendAll(datagrams: readonly (readonly [Buffer, IpFields])[], to: Address): void {
    const { host, port } = to
    this.#order(
      JSON.stringify(datagrams.map(([bytes, fields]) => ({ ...fields, hex: bytes.toString('hex'), host, port }))),
    )
  }
}

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ip } from './network.ts'

/** A process that does nothing but hold a network namespace open. */
async function newNamespace(): Promise<{ readonly pid: number; close(): Promise<void> }> {
  const holder = spawn('unshare', ['--net', 'sh', '-ec', 'ip link set lo up\necho ready\nexec sleep 900'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(holder, 'exit')
  const [word] = (await Promise.race([once(holder.stdout, 'data'), exited])) as unknown[]
  if (String(word).trim() !== 'ready') throw new Error('no network of its own')
  return {
    pid: holder.pid!,
    close: async () => {
      holder.kill('SIGKILL')
      await exited
    },
  }
}

/** A network of machines on one switch, each in a namespace of its own, apart from that of the tests. */
export class Lan {
  /** The machine that the switch is in: 10.9.0.1. */
  readonly server: Machine
  readonly #folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-lan-'))
  readonly #namespaces: { close(): Promise<void> }[] = []

  private constructor(namespace: Awaited<ReturnType<typeof newNamespace>>) {
    this.#namespaces.push(namespace)
    ip('link add switch type bridge', namespace.pid)
    ip('addr add 10.9.0.1/16 dev switch', namespace.pid)
    ip('link set switch up', namespace.pid)
    this.server = new Machine(namespace.pid, '10.9.0.1', this.#folder)
  }

  static async start(): Promise<Lan> {
    return new Lan(await newNamespace())
  }

  /** One more machine, with its cable in the switch. */
  async machine(address: string): Promise<Machine> {
    const namespace = await newNamespace()
    this.#namespaces.push(namespace)
    const port = `port${this.#namespaces.length}`
    ip(`link add ${port} type veth peer name eth0 netns ${namespace.pid}`, this.server.pid)
    ip(`link set ${port} master switch up`, this.server.pid)
    const machine = new Machine(namespace.pid, address, this.#folder)
    ip('link set eth0 up', namespace.pid)
    machine.add(address)
    return machine
  }

  async close(): Promise<void> {
    await Promise.all(this.#namespaces.map((namespace) => namespace.close()))
    rmSync(this.#folder, { recursive: true })
  }
}

export class Machine {
  readonly pid: number
  address: string
  readonly #folder: string

  constructor(pid: number, address: string, folder: string) {
    this.pid = pid
    this.address = address
    this.#folder = folder
  }

  /** A script that runs `program` on this machine, for those who start it by its path alone. */
  script(program: string): string {
    const path = join(this.#folder, `on-${this.pid}`)
    writeFileSync(path, `#!/bin/sh\nexec nsenter -t ${this.pid} -n ${program} "$@"\n`)
    chmodSync(path, 0o755)
    return path
  }

  add(address: string): void {
    ip(`addr add ${address}/16 dev eth0`, this.pid)
    this.address = address
  }

  remove(): void {
    ip(`addr del ${this.address}/16 dev eth0`, this.pid)
  }
}

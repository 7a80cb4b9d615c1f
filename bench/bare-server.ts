import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

const PROGRAM = `
require('node:http').createServer((request, response) => response.end('ok'))
  .listen(0, '127.0.0.1', function () { process.stdout.write(this.address().port + '\\n') })`

/** The least that an HTTP server on Node can be, as a process of its own. */
export class BareServer {
  readonly port: number
  readonly #child: ChildProcess

  private constructor(port: number, child: ChildProcess) {
    this.port = port
    this.#child = child
  }

  static async start(): Promise<BareServer> {
    const child = spawn(process.execPath, ['-e', PROGRAM], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [port] = await once(child.stdout!, 'data')
    return new BareServer(Number(port), child)
  }

  stop(): void {
    this.#child.kill()
  }
}

import { once } from 'node:events'
import { WebSocket } from 'ws'

interface Remote {
  readonly objectId?: string
  readonly value?: unknown
}

interface Message {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly sessionId: string; readonly message: string }
  readonly result?: { readonly result?: Remote; readonly objects?: Remote }
  readonly error?: { readonly message: string }
}

/** What all threads of a process hold together once there is no garbage left. */
export interface Held {
  /** Objects, arrays, functions, buffers: all that has a prototype. */
  readonly objects: number
  /** They and all else on the heap but code, and the memory outside that belongs to them. */
  readonly heapBytes: number
  /** What V8 has compiled. */
  readonly codeBytes: number
  /** Sockets, timers and whatever else keeps an event loop alive. */
  readonly resources: number
}

const MAIN = ''
const HELD = `(() => {
  const { heapUsed, external } = process.memoryUsage()
  const code = process.getBuiltinModule('v8').getHeapCodeStatistics()
  const codeBytes = code.code_and_metadata_size + code.bytecode_and_metadata_size
  // An Immediate is gone with this turn of the loop.
  const resources = process.getActiveResourcesInfo().filter((name) => name !== 'Immediate').length
  return { heapBytes: heapUsed - codeBytes + external, codeBytes, resources }
})()`
const GROUP = 'counted'
/** What a finalizer lets go of, only the next collection finds. */
const COLLECTIONS = 3

/** The threads of another process, seen through the door that `--inspect` opens to debuggers. */
export class InspectedThreads {
  readonly #socket: WebSocket
  readonly #waiting = new Map<number, (answer: Message) => void>()
  /** The main thread's has no name. */
  readonly #sessions = new Set([MAIN])
  #next = 1

  static async connect(url: string): Promise<InspectedThreads> {
    const socket = new WebSocket(url, { perMessageDeflate: false })
    await once(socket, 'open')
    const threads = new InspectedThreads(socket)
    await threads.#ask(MAIN, 'NodeWorker.enable', { waitForDebuggerOnStart: false })
    return threads
  }

  private constructor(socket: WebSocket) {
    this.#socket = socket
    socket.on('message', (data) => this.#receive(MAIN, JSON.parse(`${data}`) as Message))
  }

  /** Collects the garbage of every thread, and says what is left. */
  async collectGarbage(): Promise<Held> {
    const sum = { objects: 0, heapBytes: 0, codeBytes: 0, resources: 0 }
    for (const session of this.#sessions) {
      sum.objects += await this.#count(session)
      for (let i = 0; i < COLLECTIONS; i++) await this.#ask(session, 'HeapProfiler.collectGarbage')
      const answer = await this.#ask(session, 'Runtime.evaluate', { expression: HELD, returnByValue: true })
      const held = answer.result!.result!.value as Omit<Held, 'objects'>
      sum.heapBytes += held.heapBytes
      sum.codeBytes += held.codeBytes
      sum.resources += held.resources
    }
    return sum
  }

  /** The query collects garbage first. */
  async #count(session: string): Promise<number> {
    const root = await this.#ask(session, 'Runtime.evaluate', { expression: 'Object.prototype', objectGroup: GROUP })
    const { objectId: prototypeObjectId } = root.result!.result!
    const found = await this.#ask(session, 'Runtime.queryObjects', { prototypeObjectId, objectGroup: GROUP })
    const { objectId } = found.result!.objects!
    const call = { objectId, functionDeclaration: 'function () { return this.length }', returnByValue: true }
    const length = await this.#ask(session, 'Runtime.callFunctionOn', call)
    await this.#ask(session, 'Runtime.releaseObjectGroup', { objectGroup: GROUP })
    return length.result!.result!.value as number
  }

  close(): void {
    this.#socket.terminate()
  }

  async #ask(session: string, method: string, params: object = {}): Promise<Message> {
    const id = this.#next++
    const answered = new Promise<Message>((resolve) => this.#waiting.set(id, resolve))
    const message = JSON.stringify({ id, method, params })
    if (session === MAIN) this.#socket.send(message)
    else await this.#ask(MAIN, 'NodeWorker.sendMessageToWorker', { sessionId: session, message })
    const answer = await answered
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`)
    return answer
  }

  #receive(session: string, message: Message): void {
    const { id, method, params } = message
    if (id !== undefined) {
      this.#waiting.get(id)?.(message)
      this.#waiting.delete(id)
    } else if (method === 'NodeWorker.receivedMessageFromWorker')
      this.#receive(params!.sessionId, JSON.parse(params!.message) as Message)
    else if (session === MAIN && method === 'NodeWorker.attachedToWorker') this.#sessions.add(params!.sessionId)
    else if (session === MAIN && method === 'NodeWorker.detachedFromWorker') this.#sessions.delete(params!.sessionId)
  }
}

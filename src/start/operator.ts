import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'
import type { Operations } from '../operator/operations.ts'
import { OperatorSocket } from '../operator/socket.ts'

export interface OperatorListener {
  /** The socket, and the folder if it was made for it. */
  readonly files: readonly string[]
  close(): Promise<void>
}

/** Offers the operator's verbs on a unix socket; null where that cannot be, which stops nothing else. */
export async function openOperator(config: Config, operations: Operations, log: Log): Promise<OperatorListener | null> {
  const path = config['operator-socket']
  if (path === null || path === false) {
    const fix = 'operator-socket=FILE names a place for it'
    if (path === null)
      log.info({ fix }, 'no operator socket: neither /run/webrtc-stack nor XDG_RUNTIME_DIR can be written')
    return null
  }
  const failed = (err: unknown) => log.error({ err }, 'a request of an operator failed')
  try {
    // Node would cut it off and say nothing.
    if (Buffer.byteLength(path) > LONGEST_PATH) throw Object.assign(new Error(), { code: 'ENAMETOOLONG' })
    const folder = mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
    // With the first request, because most servers never see one.
    const load = async () => (await import('../operator/api.ts')).operatorApi(operations, failed)
    const socket = await OperatorSocket.open(path, load, failed)
    return { files: folder === undefined ? [path] : [path, folder], close: () => socket.close() }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    const fix = FIXES.get(code ?? '') ?? 'name another place with operator-socket=FILE'
    log.warn({ path, code, fix }, 'no operator socket: it cannot be made there')
    return null
  }
}

/** Of a unix socket on Linux, in bytes (unix(7)). */
const LONGEST_PATH = 107

const FIXES: ReadonlyMap<string, string> = new Map([
  ['EADDRINUSE', 'another server, or another file, is there: name another place with operator-socket=FILE'],
  ['ENAMETOOLONG', `a socket's path has at most ${LONGEST_PATH} bytes: name another place with operator-socket=FILE`],
])

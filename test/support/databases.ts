import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, chownSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Peer } from './peers.ts'
import { freePort } from './sockets.ts'

/** A database server of the tests' own: a real one, in a folder and on a port of its own. */
export interface TestDatabase {
  /** How our option names it. */
  readonly connection: string
  /** Runs coturn's turnadmin on it, which is the judge of what stands there. */
  turnadmin(...words: string[]): string
  /** Runs a statement or command that turnadmin has no word for. */
  execute(...words: string[]): string
  /** Ends its process, as a crash would; `start` brings it back with what it held. */
  stop(): Promise<void>
  start(): Promise<void>
  /** Stops answering, and goes on. */
  freeze(): void
  thaw(): void
  /** Ends it for good. */
  close(): Promise<void>
}

interface Kind {
  readonly name: string
  readonly option: 'userdb' | 'redis-userdb' | 'psql-userdb' | 'mysql-userdb'
  readonly needs: readonly Peer[]
  open(): Promise<TestDatabase>
}

/** For coturn, whose strings can hold no blanks. */
const PASSWORD = 'behind-the-hedge'

export const redis: Kind = { name: 'Redis', option: 'redis-userdb', needs: ['coturn', 'redis'], open: openRedis }

/** Every database that there is a server of. */
export const databases: readonly Kind[] = [
  { name: 'SQLite', option: 'userdb', needs: ['coturn', 'sqlite'], open: openSqlite },
  redis,
  { name: 'PostgreSQL', option: 'psql-userdb', needs: ['coturn', 'postgresql'], open: openPostgres },
  { name: 'MariaDB', option: 'mysql-userdb', needs: ['coturn', 'mariadb'], open: openMariadb },
]

async function openSqlite(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-sqlite-'))
  const file = join(folder, 'turndb')
  const turnadmin = (...words: string[]) => run('turnadmin', [...words, '-b', file])
  // Makes the file with all its tables.
  turnadmin('-l')
  return {
    connection: file,
    turnadmin,
    execute: (...words) => run('sqlite3', [file, ...words]),
    stop: async () => renameSync(file, `${file}.away`),
    start: async () => renameSync(`${file}.away`, file),
    freeze: () => {},
    thaw: () => {},
    close: async () => rmSync(folder, { recursive: true }),
  }
}

async function openRedis(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-redis-'))
  const port = await freePort()
  const connection = `ip=127.0.0.1 dbname=2 password=${PASSWORD} port=${port} connect_timeout=3`
  const words = ['--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '', '--appendonly', 'yes']
  const server = new Server(() => spawnQuietly('redis-server', [...words, '--requirepass', PASSWORD]), port)
  await server.start()
  const execute = (...more: string[]) =>
    run('redis-cli', ['-p', String(port), '-n', '2', '--no-auth-warning', '-a', PASSWORD, ...more])
  return server.database(folder, {
    connection,
    turnadmin: (...more) => run('turnadmin', [...more, '-N', connection]),
    execute,
  })
}

async function openPostgres(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-postgres-'))
  const user = own(folder, 'postgres')
  const port = await freePort()
  const [version] = readdirSync('/usr/lib/postgresql')
  const program = (name: string) => `/usr/lib/postgresql/${version}/bin/${name}`
  const data = join(folder, 'data')
  run(program('initdb'), ['-D', data, '-A', 'trust', '-U', 'turn', '-E', 'UTF8', '--no-sync'], user)
  const words = [
    '-D',
    data,
    '-p',
    String(port),
    '-c',
    'listen_addresses=127.0.0.1',
    '-c',
    `unix_socket_directories=${folder}`,
  ]
  const server = new Server(() => spawnQuietly(program('postgres'), [...words, '-c', 'fsync=off'], user), port)
  await server.start()
  const execute = (...more: string[]) =>
    run('psql', [
      '-h',
      '127.0.0.1',
      '-p',
      String(port),
      '-U',
      'turn',
      '-d',
      'postgres',
      '-v',
      'ON_ERROR_STOP=1',
      '-qtAc',
      ...more,
    ])
  await until(() => execute('SELECT 1'))
  execute(readFileSync('/usr/share/coturn/schema.sql', 'utf8'))
  const connection = `host=127.0.0.1 dbname=postgres user=turn password=${PASSWORD} port=${port} connect_timeout=3`
  return server.database(folder, {
    connection,
    turnadmin: (...more) => run('turnadmin', [...more, '-e', connection]),
    execute,
  })
}

async function openMariadb(): Promise<TestDatabase> {
  const folder = mkdtempSync(join(tmpdir(), 'webrtc-stack-mariadb-'))
  const user = own(folder, 'mysql')
  const port = await freePort()
  const data = join(folder, 'data')
  const socket = join(folder, 'socket')
  run(
    'mariadb-install-db',
    ['--no-defaults', '--skip-test-db', '--auth-root-authentication-method=normal', `--datadir=${data}`],
    user,
  )
  const words = [
    '--no-defaults',
    `--datadir=${data}`,
    `--socket=${socket}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
  ]
  const server = new Server(() => spawnQuietly('mariadbd', [...words, `--pid-file=${join(folder, 'pid')}`], user), port)
  await server.start()
  const execute = (...more: string[]) =>
    run('mariadb', ['--no-defaults', `--socket=${socket}`, '-u', 'root', '-N', '-e', ...more])
  await until(() => execute('SELECT 1'))
  execute(`CREATE DATABASE coturn; USE coturn; ${readFileSync('/usr/share/coturn/schema.sql', 'utf8')}`)
  execute(`GRANT ALL ON coturn.* TO turn@'127.0.0.1' IDENTIFIED BY '${PASSWORD}'`)
  execute(`GRANT ALL ON coturn.* TO turn@localhost IDENTIFIED BY '${PASSWORD}'`)
  const connection = `host=127.0.0.1 dbname=coturn user=turn password=${PASSWORD} port=${port} connect_timeout=3`
  return server.database(folder, {
    connection,
    turnadmin: (...more) => run('turnadmin', [...more, '-M', connection]),
    execute: (...words) => execute(`USE coturn; ${words.join(' ')}`),
  })
}

/** A process that listens on a port of this machine. */
class Server {
  readonly #spawn: () => ChildProcess
  readonly #port: number
  #child: ChildProcess | null = null

  constructor(spawnIt: () => ChildProcess, port: number) {
    this.#spawn = spawnIt
    this.#port = port
  }

  async start(): Promise<void> {
    const child = this.#spawn()
    this.#child = child
    await until(() => {
      if (child.exitCode !== null) throw new Error(`${child.spawnfile} ended with ${child.exitCode}`)
      return listens(this.#port)
    })
  }

  async stop(): Promise<void> {
    const child = this.#child
    this.#child = null
    if (child === null || child.exitCode !== null) return
    child.kill('SIGCONT')
    child.kill('SIGKILL')
    await once(child, 'exit')
  }

  database(folder: string, own: Pick<TestDatabase, 'connection' | 'turnadmin' | 'execute'>): TestDatabase {
    return {
      ...own,
      start: () => this.start(),
      stop: () => this.stop(),
      freeze: () => void this.#child?.kill('SIGSTOP'),
      thaw: () => void this.#child?.kill('SIGCONT'),
      close: async () => {
        await this.stop()
        rmSync(folder, { recursive: true, force: true })
      },
    }
  }
}

interface Owner {
  readonly uid: number
  readonly gid: number
}

/** These servers refuse to run as root. */
function own(folder: string, name: string): Owner | undefined {
  if (process.getuid?.() !== 0) return undefined
  const [uid, gid] = [Number(run('id', ['-u', name])), Number(run('id', ['-g', name]))]
  chownSync(folder, uid, gid)
  chmodSync(folder, 0o711)
  return { uid, gid }
}

function run(file: string, words: readonly string[], owner?: Owner): string {
  return execFileSync(file, words, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'], cwd: '/', ...owner })
}

function spawnQuietly(file: string, words: readonly string[], owner?: Owner): ChildProcess {
  return spawn(file, words, { stdio: 'ignore', cwd: '/', ...owner })
}

function listens(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve()
    })
    socket.once('error', reject)
  })
}

/** Tries until it does not throw; a server takes its time to begin. */
async function until(attempt: () => unknown): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await attempt()
      return
    } catch (error) {
      if (tries >= 300) throw error
      await new Promise((then) => setTimeout(then, 100))
    }
  }
}

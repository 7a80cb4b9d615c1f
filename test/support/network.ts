import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { bind, loadKoffi } from '../../src/net/linux/koffi.ts'
import { peers } from './peers.ts'

const CLONE_NEWNET = 0x40000000

/** Linux lets root have networks of its own, unless root is not what it seems, as in most containers. */
export function canEnterNetworks(): boolean {
  return process.platform === 'linux' && loadKoffi() !== null && spawnSync('unshare', ['--net', 'true']).status === 0
}

/**
 * From now on this thread, and every program it starts, is in a new network that has 127.0.0.1 and ::1 and nothing else;
 * until the test ends.
 */
export function enterNewNetwork(): void {
  const { unshare, setns } = bind<Record<'unshare' | 'setns', (...args: number[]) => number>>(loadKoffi()!, {
    unshare: 'int unshare(int flags)',
    setns: 'int setns(int fd, int type)',
  })
  const before = openSync('/proc/thread-self/ns/net', 'r')
  if (unshare(CLONE_NEWNET) !== 0) throw new Error('unshare failed')
  onTestFinished(() => {
    if (setns(before, CLONE_NEWNET) !== 0) throw new Error('setns failed')
    closeSync(before)
  })
  ip('link set lo up')
}

/** The network of a machine with one interface, eth0, apart from that of this process; until the test ends. */
export async function ownMachine(addresses: readonly string[] = [MACHINE, MACHINE_6]): Promise<number> {
  const setUp = [
    'ip link set lo up',
    'ip link add eth0 type veth peer name cable',
    ...addresses.map((address) => `ip addr add ${address}${address.includes(':') ? '/64 nodad' : '/24'} dev eth0`),
    'ip link set eth0 up',
    'ip link set cable up',
    'echo ready',
    'exec sleep 600',
  ]
  const holder = spawn('unshare', ['--net', 'sh', '-ec', setUp.join('\n')], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(async () => {
    holder.kill('SIGKILL')
    if (holder.exitCode === null && holder.signalCode === null) await once(holder, 'exit')
  })
  const [word] = (await Promise.race([once(holder.stdout, 'data'), once(holder, 'exit')])) as unknown[]
  if (String(word).trim() !== 'ready') throw new Error('no network of its own')
  return holder.pid!
}

/** What eth0 of such a machine has. */
export const MACHINE = '192.0.2.10'
const MACHINE_6 = '2001:db8::10'

/** Runs `ip` in the network of this thread, or in the one of another process. */
export function ip(words: string, process?: number): void {
  const command = [peers.iproute.path, ...words.split(' ')]
  const there = process === undefined ? command : ['nsenter', '-t', String(process), '-n', ...command]
  execFileSync(there[0]!, there.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] })
}

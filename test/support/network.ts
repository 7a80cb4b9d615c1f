import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { onTestFinished } from 'vitest'
import { bind, loadKoffi } from '../../src/net/koffi.ts'
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

/** Runs `ip` in the network of this thread, or in the one of another process. */
export function ip(words: string, process?: number): void {
  const command = [peers.iproute.path, ...words.split(' ')]
  const there = process === undefined ? command : ['nsenter', '-t', String(process), '-n', ...command]
  execFileSync(there[0]!, there.slice(1), { stdio: ['ignore', 'ignore', 'inherit'] })
}

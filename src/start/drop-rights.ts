import { chownSync, lstatSync } from 'node:fs'
import { userInfo } from 'node:os'
import { ConfigError } from '../config/config-error.ts'
import type { Config } from '../config/options.ts'
import type { Log } from '../log.ts'

/**
 * coturn's `proc-user` and `proc-group`: what root has opened stays open, and whoever breaks in afterwards is not root. The
 * kernel forgets root's capabilities with it. Throws ConfigError for a user or a group that there is not.
 */
export function dropRights(config: Config, log: Log, operatorFiles: readonly string[]): void {
  const [user, group] = [config['proc-user'], config['proc-group']]
  if (user === null && group === null) return
  if (process.getuid?.() !== 0) {
    log.warn(
      { user: userInfo().username },
      'proc-user and proc-group need root, which this process is not: it stays as it is',
    )
    return
  }
  const { uid, gid: ownGroup } = user === null ? { uid: 0, gid: process.getgid!() } : accountOf(user)
  const gid = group === null ? ownGroup : idOf(group)
  const files = [config['log-file'], config.pidfile, ...operatorFiles]
  for (const file of files) if (file !== null) giveAway(file, uid, gid)
  // Supplementary groups first: without root they could not be left. Node's types don't know the second one.
  if (user === null) process.setgroups!([gid])
  else (process as unknown as { initgroups(user: string, group: number): void }).initgroups(user, gid)
  process.setgid!(gid)
  process.setuid!(uid)
  log.info({ uid, gid }, 'root has been left')
}

/** Reopened after a rotation, and removed at the end, they must be ours. */
function giveAway(file: string, uid: number, gid: number): void {
  try {
    const found = lstatSync(file)
    if (found.isFile() || found.isSocket() || found.isDirectory()) chownSync(file, uid, gid)
  } catch {
    // Standard output, or a file that could not be made: whoever opened it has said so.
  }
}

// Node looks names up only on the way to becoming them; what is open already is not touched by that.
function accountOf(user: string): { readonly uid: number; readonly gid: number } {
  attempt('proc-user', user, () => process.seteuid!(user))
  const { uid, gid } = userInfo()
  process.seteuid!(0)
  return { uid, gid }
}

function idOf(group: string): number {
  const before = process.getegid!()
  attempt('proc-group', group, () => process.setegid!(group))
  const gid = process.getegid!()
  process.setegid!(before)
  return gid
}

function attempt(key: 'proc-user' | 'proc-group', name: string, become: () => void): void {
  try {
    become()
  } catch {
    const fix = `create it (\`${key === 'proc-user' ? 'useradd' : 'groupadd'} --system ${name}\`), or name another`
    throw new ConfigError({ where: null, key, message: `"${key}": there is no ${key.slice(5)} "${name}"`, fix })
  }
}

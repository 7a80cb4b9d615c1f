import { applying, flag, option, withoutEffect } from '../option.ts'
import { integer, optionalInteger } from '../values/numbers.ts'
import { optionalText, path } from '../values/text.ts'

/** The process itself. */
export const processOptions = applying('after a restart', {
  daemon: flag(false, 'Detach from the terminal', {
    short: 'o',
    state: withoutEffect(
      'the server stays in the foreground, for Docker or systemd to keep (Type=simple, not forking)',
    ),
  }),
  'reload-on-change': flag(false, 'Read the configuration and certificates again when their files change'),
  pidfile: option(path, null, 'File for the process id', { defaultNote: 'none' }),
  'ignore-unknown-keys': flag(false, 'Start although the file has unknown keys', {
    caution: 'a mistyped key of the file is passed over, whatever it was to protect',
  }),
  'proc-user': option(optionalText, null, 'Become this user once the ports are open'),
  'proc-group': option(optionalText, null, 'Become this group once the ports are open'),
  'relay-threads': option(optionalInteger('N', 0, 128), null, 'Threads that relay; 0 = the main thread', {
    short: 'm',
    defaultNote: 'one per processor',
  }),
  cpus: option(integer('N', 0, 128), 0, 'Processors that the threads may count on, as in a container', {
    defaultNote: 'detected',
  }),
})

import { applying, flag, notBuiltYet, option, withoutEffect } from '../option.ts'
import { path, text } from '../values/text.ts'
import { choice, facility } from '../values/words.ts'

const timestamps = withoutEffect('times are always ISO 8601')
const FACILITIES = [
  'LOG_AUTH',
  'LOG_CRON',
  'LOG_DAEMON',
  'LOG_USER',
  'LOG_LOCAL0',
  'LOG_LOCAL1',
  'LOG_LOCAL2',
  'LOG_LOCAL3',
  'LOG_LOCAL4',
  'LOG_LOCAL5',
  'LOG_LOCAL6',
  'LOG_LOCAL7',
] as const

/** What is written, how and where. */
export const logging = applying('after a restart', {
  verbose: flag(false, 'One line for every session event (the default)', {
    short: 'v',
    state: withoutEffect(null),
  }),
  Verbose: flag(false, 'Log everything, for finding a fault', { short: 'V', applies: 'at once' }),
  'log-min-level': option(choice('debug', 'info', 'warning', 'error'), 'info', 'Least important lines to write', {
    applies: 'at once',
  }),
  'log-format': option(
    choice('auto', 'json', 'pretty'),
    'auto',
    'pretty for people, json for programs; auto: pretty on a terminal',
  ),
  'log-file': option(path, null, 'File to write to; stdout or -: standard output', {
    short: 'l',
    defaultNote: 'standard error',
  }),
  'no-stdout-log': flag(false, 'Write nothing to standard output'),
  syslog: flag(false, 'Write to syslog'),
  'syslog-facility': option(
    facility(...FACILITIES),
    'LOG_DAEMON',
    'Facility for syslog: LOG_DAEMON, LOG_USER, LOG_LOCAL0 to LOG_LOCAL7',
  ),
  'simple-log': flag(false, 'Use the name of log-file as it is', { state: withoutEffect(null) }),
  'new-log-timestamp': flag(true, 'ISO 8601 times', { state: timestamps }),
  'new-log-timestamp-format': option(text, '', 'Format of times', { state: timestamps }),
  'log-binding': flag(false, 'Log Binding requests', { state: notBuiltYet('they are counted at /metrics') }),
})

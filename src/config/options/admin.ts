import { applying, flag, notBuiltYet, option, portOption, secretOption, withoutEffect } from '../option.ts'
import { address, optionalAddress } from '../values/addresses.ts'
import { integer } from '../values/numbers.ts'
import { file, socketPath, text } from '../values/text.ts'

const noConsole = notBuiltYet('there is no telnet console')
const noPages = notBuiltYet('there are no admin pages')

/** Metrics and administration. */
export const admin = applying('after a restart', {
  prometheus: flag(false, 'Metrics on a port of their own', { applies: 'to new clients' }),
  'prometheus-port': portOption(9641, 'That port', { applies: 'to new clients' }),
  'prometheus-address': option(optionalAddress, null, 'Address it listens on', {
    defaultNote: 'all',
    applies: 'to new clients',
  }),
  'prometheus-path': option(text, '/metrics', 'Path of the metrics', { applies: 'at once' }),
  'prometheus-username-labels': flag(false, 'A label for every user', {
    state: withoutEffect('user names never become labels, because temporary ones never end'),
  }),
  'prometheus-tls': flag(false, 'HTTPS for metrics', { state: notBuiltYet('metrics are served over HTTP') }),
  'prometheus-cert': option(file, null, 'Certificate for that', {
    defaultNote: 'cert',
    state: notBuiltYet('metrics are served over HTTP'),
  }),
  'prometheus-key': option(file, null, 'Its key', {
    defaultNote: 'pkey',
    state: notBuiltYet('metrics are served over HTTP'),
  }),
  'operator-socket': option(socketPath, null, 'Unix socket for status, sessions, drain, reload …; off for none', {
    defaultNote: '/run/webrtc-stack/operator.sock, or below XDG_RUNTIME_DIR',
  }),
  cli: flag(false, 'Telnet console', { state: noConsole }),
  'cli-ip': option(address, '127.0.0.1', 'Address of the console', { state: noConsole }),
  'cli-port': portOption(5766, 'Port of the console', { state: noConsole }),
  'cli-password': secretOption('Password of the console', { state: noConsole }),
  'cli-max-output-sessions': option(integer('N', 0, 1e9), 256, 'Sessions that the console prints', {
    state: noConsole,
  }),
  'web-admin': flag(false, 'Admin pages', { state: noPages }),
  'web-admin-ip': option(address, '127.0.0.1', 'Address of the admin pages', { state: noPages }),
  'web-admin-port': portOption(8080, 'Port of the admin pages', { state: noPages }),
  'web-admin-listen-on-workers': flag(false, 'Admin pages on the TURN ports', {
    state: withoutEffect('admin pages never share a port with strangers'),
  }),
})

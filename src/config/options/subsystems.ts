import { applying, flag, list, option } from '../option.ts'
import { address, network } from '../values/addresses.ts'
import { text } from '../values/text.ts'
import { publicHost } from '../values/urls.ts'

/** Which servers run, and by which name the world reaches them. */
export const subsystems = applying('after a restart', {
  rooms: flag(true, 'Room server and call page'),
  signaling: flag(true, 'Signaling server (Collider)'),
  turn: flag(true, 'STUN and TURN server'),
  dev: flag(false, 'Self-signed certificate, HTTPS, pretty logs'),
  host: option(address, '0.0.0.0', 'Address that rooms and signaling listen on'),
  'public-host': option(publicHost, null, 'HOST[:PORT] in the URLs we hand out', {
    defaultNote: 'the address a client used',
    applies: 'at once',
  }),
  'trusted-proxy': list(network, 'Reverse proxy whose X-Forwarded-For and -Proto are believed', { applies: 'at once' }),
  'allowed-host': list(text, 'Further HOST[:PORT] of ours, for links (?wshpp=, ?ts=) and /metrics', {
    applies: 'at once',
  }),
  'allow-origin': list(text, 'Web origin that may open WebSockets; none given: any', { applies: 'to new clients' }),
})

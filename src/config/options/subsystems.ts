import { flag, list, option } from '../option.ts'
import { address, network, publicHost, text } from '../values.ts'

/** Which servers run, and by which name the world reaches them. */
export const subsystems = {
  rooms: flag(true, 'Room server and call page'),
  signaling: flag(true, 'Signaling server (Collider)'),
  turn: flag(true, 'STUN and TURN server'),
  dev: flag(false, 'Self-signed certificate, HTTPS, pretty logs'),
  host: option(address, '0.0.0.0', 'Address that rooms and signaling listen on'),
  'public-host': option(publicHost, null, 'HOST[:PORT] in the URLs we hand out', {
    defaultNote: 'the address a client used',
  }),
  'trusted-proxy': list(network, 'Reverse proxy whose X-Forwarded-For and -Proto are believed'),
  'allowed-host': list(text, 'Further HOST[:PORT] of ours, for links (?wshpp=, ?ts=) and /metrics'),
  'allow-origin': list(text, 'Web origin that may open WebSockets; none given: any'),
}

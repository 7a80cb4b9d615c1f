import { applying, flag, limit, list, notBuiltYet, option, portOption, seconds, withoutEffect } from '../option.ts'
import { hostAndPort, listeningAddress } from '../values/addresses.ts'
import { integer } from '../values/numbers.ts'
import { optionalText } from '../values/text.ts'
import { prefixUrl } from '../values/urls.ts'
import { choice } from '../values/words.ts'

/** Where the STUN and TURN server listens, and how it answers there. */
export const network = applying('to new clients', {
  'listening-device': option(optionalText, null, 'Listen on the addresses of this interface', {
    short: 'd',
  }),
  'listening-ip': list(listeningAddress, 'Address to listen on', {
    short: 'L',
    defaultNote: 'all',
  }),
  'listening-port': portOption(3478, 'UDP and TCP port; TLS works here too', {
    short: 'p',
  }),
  'tls-listening-port': portOption(5349, 'TLS and DTLS port; plain works here too'),
  'alt-listening-port': portOption(0, 'Second port for NAT behaviour discovery', {
    defaultNote: 'listening-port + 1',
  }),
  'alt-tls-listening-port': portOption(0, 'The same for TLS and DTLS', {
    defaultNote: 'tls-listening-port + 1',
  }),
  'tcp-proxy-port': portOption(0, 'TCP port that expects the PROXY protocol (v1, v2), in place of the others', {
    defaultNote: 'off',
  }),
  'aux-server': list(hostAndPort(null), 'One more UDP and TCP endpoint to listen on'),
  'no-udp': flag(false, 'No UDP listeners', { applies: 'after a restart' }),
  'no-tcp': flag(false, 'No TCP listeners', { applies: 'after a restart' }),
  'no-tls': flag(false, 'No TLS listeners', { applies: 'after a restart' }),
  dtls: flag(false, 'DTLS listeners', { applies: 'after a restart' }),
  'stun-only': flag(false, 'Answer Binding requests only', { short: 'S', applies: 'at once' }),
  'no-stun': flag(false, 'Ignore Binding requests', { applies: 'at once' }),
  'secure-stun': flag(false, 'Binding requests need credentials', { applies: 'at once' }),
  'stun-backward-compatibility': flag(false, 'Add MAPPED-ADDRESS to Binding answers', { applies: 'at once' }),
  'rfc3489-compatibility': flag(false, 'Answer Binding requests of clients older than RFC 5389', {
    caution: 'these answers go to clients that cannot be told from random bytes',
    applies: 'at once',
  }),
  rfc5780: flag(false, 'NAT behaviour discovery, with two addresses of a family'),
  'respond-http-unsupported': flag(false, 'Answer HTTP on a TURN port with 400 instead of closing', {
    applies: 'after a restart',
  }),
  'acme-redirect': option(prefixUrl, null, 'Where /.well-known/acme-challenge/ on a TURN port points', {
    applies: 'after a restart',
  }),
  'sock-buf-size': option(integer('BYTES', -1, 1_073_741_824), 2_097_152, 'UDP socket buffers', {
    applies: 'after a restart',
  }),
  'drop-invalid-packets': flag(true, 'Drop UDP packets that are none of ours', {
    state: withoutEffect('they are always dropped'),
  }),
  'drop-invalid-packets-log': flag(false, 'Log those drops', { state: notBuiltYet('they are counted') }),
  'udp-io': option(choice('auto', 'batch', 'dgram'), 'auto', 'How packets are read and sent', {
    applies: 'after a restart',
  }),
  'udp-recvmmsg': flag(true, 'Batched receiving', {
    state: withoutEffect('see udp-io'),
  }),
  'udp-recvmmsg-log': flag(false, 'Statistics of batched receiving', { state: withoutEffect('see udp-io') }),
  'udp-sendmmsg-log': flag(false, 'Statistics of batched sending', { state: withoutEffect('see udp-io') }),
  'udp-gso': flag(false, 'Segmentation offload', { state: withoutEffect('see udp-io') }),
  'alternate-server': list(hostAndPort(3478), 'Redirect Allocates to this server'),
  'tls-alternate-server': list(hostAndPort(5349), 'The same for TLS and DTLS'),
  'udp-alternate-server': list(hostAndPort(3478), 'The same for UDP'),
  'tcp-alternate-server': list(hostAndPort(3478), 'The same for TCP'),
  'authenticated-redirect': flag(false, 'Redirect only clients that have logged in', {
    caution: 'browsers take the nonce to the next server: both need one stateless-nonce-secret',
  }),
  'udp-self-balance': flag(false, 'Redirect UDP Allocates to the aux servers', {
    state: withoutEffect('all relay threads share each port'),
  }),

  'max-tcp-connections': limit(65_536, 'Open TCP and TLS connections'),
  'max-tcp-connections-per-address': limit(1024, 'The same from one address'),
  'tcp-first-message-timeout-seconds': seconds(10, 'Time for a new TCP connection to send a whole message'),
  'tcp-half-message-timeout-seconds': seconds(15, 'Time to complete a message that has begun'),
  'tcp-stalled-timeout-seconds': seconds(30, 'How long a TCP client may leave waiting bytes unread'),
  'max-tcp-queue-bytes': limit(1_048_576, 'Bytes waiting for a slow TCP client before datagrams are dropped'),
  'max-unauthenticated-frame-bytes': limit(4096, 'Longest message of a TCP client without allocation'),
  'handshake-timeout-seconds': seconds(10, 'Time for a TLS or DTLS handshake'),
  'max-tls-handshakes': limit(1024, 'TLS handshakes at a time: TURN, and each HTTP port'),
  'max-dtls-handshakes': limit(1024, 'DTLS handshakes at a time'),
  'max-handshakes-per-address': limit(64, 'TLS handshakes of one address at a time, and as many of DTLS'),
  'handshake-ratelimit-rps': limit(30, 'Handshakes of one address a second, averaged over ten; more have to wait'),
  'max-dtls-sessions': limit(16_384, 'DTLS sessions at a time'),
  'max-dtls-sessions-per-address': limit(1024, 'The same from one address'),
})

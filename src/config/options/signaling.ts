import { applying, limit, option, portOption, seconds } from '../option.ts'
import { booleanOrAuto } from '../values/booleans.ts'
import { url } from '../values/urls.ts'

/** The signaling server: Collider's flags, then our limits. */
export const signaling = applying('to new clients', {
  port: portOption(8089, 'Port of the signaling server'),
  tls: option(booleanOrAuto, null, 'TLS on that port', {
    defaultNote: 'on when there is a certificate',
    applies: 'after a restart',
  }),
  'room-server': option(url, null, 'Room server to tell about clients that left', {
    defaultNote: 'this server',
    applies: 'after a restart',
  }),

  'websocket-register-timeout-seconds': seconds(10, 'Time for a WebSocket to say who it is', { applies: 'at once' }),
  'websocket-ping-seconds': seconds(25, 'Time between pings; two without an answer end the WebSocket', {
    applies: 'at once',
  }),
  'websocket-messages-per-second': limit(100, 'Messages a second from one WebSocket'),
  'websocket-message-burst': limit(2000, 'Messages that one WebSocket may send at once'),
  'max-frame-bytes': limit(262_144, 'Bytes in one WebSocket message'),
  'max-websocket-unread-bytes': limit(1_048_576, 'Bytes waiting for a slow WebSocket before it is closed', {
    applies: 'at once',
  }),
  'max-websockets': limit(10_000, 'Open WebSockets'),
  'max-websockets-per-address': limit(1024, 'Open WebSockets from one address'),
})

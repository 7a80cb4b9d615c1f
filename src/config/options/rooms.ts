import { applying, flag, limit, list, option, portOption, seconds } from '../option.ts'
import { network } from '../values/addresses.ts'
import { integer } from '../values/numbers.ts'
import { optionalText, text } from '../values/text.ts'
import { iceServers, providerUrl } from '../values/urls.ts'
import { choice, words } from '../values/words.ts'

const ownServer = { defaultNote: 'this server' }

/** The room server: AppRTC's constants under their own names, then our limits. */
export const rooms = applying('at once', {
  'http-port': portOption(8080, 'Port of the call page and the room API', { applies: 'to new clients' }),
  'https-port': portOption(8443, 'The same over HTTPS, given a certificate', { applies: 'to new clients' }),
  'turn-base-url': option(providerUrl, null, 'Base of turn_url, which old clients ask for credentials', ownServer),
  'turn-url-template': option(text, '%s/turn?username=%s&key=%s', 'turn_url from base, user name and key'),
  'ceod-key': option(text, '', 'Key in turn_url; once set, whoever wants credentials has to know it'),
  'wss-host-port-pair': option(optionalText, null, 'HOST:PORT of another Collider to use', {
    ...ownServer,
    applies: 'after a restart',
  }),
  'ice-server-base-url': option(providerUrl, null, 'Base of ice_server_url, the ICE server provider', ownServer),
  'ice-server-url-template': option(text, '%s/v1alpha/iceconfig?key=%s', 'ice_server_url from base and key'),
  'ice-server-api-key': option(text, '', 'Key in ice_server_url, and what goes for ceod-key'),
  'ice-server-urls': option(words, [], 'ICE URLs to hand out instead of our own'),
  'ice-server-override': option(iceServers, null, 'JSON list of ICE servers to hand out instead of our own'),
  'ice-config-needs-room': flag(false, 'TURN credentials only for clients in a room, and for 1 hour'),
  'ice-credential-lifetime-seconds': option(
    integer('SECONDS', 60, 86_400),
    43_200,
    'How long the TURN credentials we hand out work',
  ),
  'room-expiration-seconds': seconds(86_400, 'An untouched room is forgotten after this time'),
  'header-message': option(text, '', 'Banner on the call page'),
  'bypass-join-confirmation': flag(false, 'Join without asking'),
  'url-overrides': option(choice('own', 'compat'), 'own', 'Hosts that links may name: ours, or any as in AppRTC'),
  'frame-ancestors': option(text, "'none'", 'Pages that may embed ours (CSP frame-ancestors)'),
  'metrics-from': list(network, 'Who may read /metrics', { default: ['127.0.0.0/8', '::1'] }),

  'room-capacity': option(integer('N', 2, 64), 2, 'Clients in one room'),
  'room-grace-seconds': seconds(10, 'How long a client that lost its connection keeps its place'),
  'room-register-timeout-seconds': seconds(10, 'How long a client keeps a place without ever connecting'),
  'max-rooms': limit(100_000, 'Rooms at a time; one address gets eight ninths at most', { applies: 'to new clients' }),
  'max-rooms-per-address': limit(2048, 'The same, opened from one address', { applies: 'to new clients' }),
  'max-room-messages': limit(1024, 'Undelivered messages of one room'),
  'max-room-bytes': limit(1_048_576, 'Undelivered bytes of one room'),
  'max-waiting-bytes': limit(134_217_728, 'Undelivered bytes in all rooms, and as many at slow WebSockets', {
    applies: 'to new clients',
  }),
  'max-waiting-bytes-per-address': limit(8_388_608, 'The same of one address', { applies: 'to new clients' }),
  'new-rooms-per-minute': limit(60, 'New rooms a minute from one address'),
  'new-rooms-burst': limit(600, 'New rooms that one address may open at once'),
  'ice-config-per-minute': limit(60, 'Requests for TURN credentials a minute from one address'),
  'unknown-clients-per-minute': limit(60, 'Wrong client ids a minute from one address'),
  'max-body-bytes': limit(262_144, 'Bytes in one request body'),
  'max-header-bytes': limit(16_384, 'Bytes in the header of one request', { applies: 'after a restart' }),
  'max-headers': limit(200, 'Header fields in one request', { applies: 'to new clients' }),
  'http-headers-timeout-seconds': seconds(10, 'Time for a client to send its header', { applies: 'to new clients' }),
  'http-request-timeout-seconds': seconds(30, 'Time for a client to send its whole request', {
    applies: 'to new clients',
  }),
  'max-connections': limit(20_000, 'Open connections to one HTTP port', { applies: 'to new clients' }),
  'max-connections-per-address': limit(2048, 'The same from one address', { applies: 'to new clients' }),
})

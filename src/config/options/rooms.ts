import { flag, limit, option, portOption, seconds } from '../option.ts'
import { choice, iceServers, integer, optionalText, text, url, words } from '../values.ts'

const ownServer = { defaultNote: 'this server' }

/** The room server: AppRTC's constants under their own names, then our limits. */
export const rooms = {
  'http-port': portOption(8080, 'Port of the call page and the room API'),
  'https-port': portOption(8443, 'The same over HTTPS, when there is a certificate'),
  'turn-base-url': option(url, null, 'Base of turn_url, which old clients ask for credentials', ownServer),
  'turn-url-template': option(text, '%s/turn?username=%s&key=%s', 'turn_url from base, user name and key'),
  'ceod-key': option(text, '4080218913', 'Key in turn_url'),
  'wss-host-port-pair': option(optionalText, null, 'HOST:PORT of another Collider to use', ownServer),
  'ice-server-base-url': option(url, null, 'Base of ice_server_url, the ICE server provider', ownServer),
  'ice-server-url-template': option(text, '%s/v1alpha/iceconfig?key=%s', 'ice_server_url from base and key'),
  'ice-server-api-key': option(text, '', 'Key in ice_server_url'),
  'ice-server-urls': option(words, [], 'ICE URLs to hand out instead of our own'),
  'ice-server-override': option(iceServers, null, 'JSON list of ICE servers to hand out instead of our own'),
  'room-expiration-seconds': seconds(86_400, 'An idle room is forgotten after this time'),
  'header-message': option(text, '', 'Banner on the call page'),
  'bypass-join-confirmation': flag(false, 'Join without asking'),
  'url-overrides': option(
    choice('own', 'compat'),
    'own',
    'Hosts in ?wshpp= and ?ts= that count: our own, or any as in AppRTC',
  ),
  'credential-lifetime': option(integer('SECONDS', 60, 86_400), 43_200, 'How long handed out TURN credentials work'),
  'frame-ancestors': option(text, "'none'", 'Pages that may embed ours (CSP frame-ancestors)'),

  'max-rooms': limit(100_000, 'Rooms at one time'),
  'max-room-clients': option(integer('N', 2, 64), 2, 'Clients in one room'),
  'new-rooms-per-minute': limit(60, 'New rooms a minute from one address'),
  'new-rooms-burst': limit(600, 'New rooms that one address may open at once'),
  'max-room-messages': limit(1024, 'Messages kept for a client that is not there yet'),
  'max-room-bytes': limit(1_048_576, 'Bytes kept for a client that is not there yet'),
  'max-body-size': limit(262_144, 'Bytes in one request body'),
  'iceconfig-per-minute': limit(60, 'Requests for TURN credentials a minute from one address'),
  'max-header-size': limit(16_384, 'Bytes in the header of one request'),
  'max-headers': limit(200, 'Header fields in one request'),
  'headers-timeout': seconds(10, 'Time for a client to send its header'),
  'request-timeout': seconds(30, 'Time for a client to send its whole request'),
  'max-http-connections': limit(10_000, 'Open connections to rooms and signaling'),
}

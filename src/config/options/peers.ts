import { applying, flag, list, option, withoutEffect } from '../option.ts'
import { nat64Prefix, peerRange } from '../values/addresses.ts'
import { booleanOrAuto } from '../values/booleans.ts'

/** To whom the server may relay, and what its answers give away. */
export const peers = applying('at once', {
  'denied-peer-ip': list(peerRange, "Never relay to these; 'recommended': all private and special ranges", {
    defaultNote: 'recommended on public addresses',
  }),
  'allowed-peer-ip': list(peerRange, 'Relay to these even when a denied range holds them'),
  'nat64-prefix': list(nat64Prefix, 'Prefix of a NAT64 here: IPv4 peers in it are judged as such'),
  'allow-private-peers': option(booleanOrAuto, null, 'Relay to private networks', {
    defaultNote: 'on when this server itself has only private addresses',
  }),
  'allow-loopback-peers': flag(false, 'Relay to this machine itself', {
    caution: 'clients can reach every service on this machine that listens on loopback',
  }),
  'no-multicast-peers': flag(true, 'Never relay to multicast', { state: withoutEffect('multicast is always refused') }),
  'no-dynamic-ip-list': flag(false, 'Do not read peer lists from the database'),
  'software-attribute': flag(false, 'Tell clients our name and version'),
  'include-reason-string': flag(false, 'Put a reason phrase into error answers'),
})

import {
  applying,
  flag,
  lifetime,
  limit,
  list,
  notBuiltYet,
  option,
  portOption,
  seconds,
  withoutEffect,
} from '../option.ts'
import { externalIp, relayAddress } from '../values/addresses.ts'
import { integer } from '../values/numbers.ts'
import { optionalText } from '../values/text.ts'
import { choice } from '../values/words.ts'

/** Relayed addresses, allocations and their quotas. */
export const relay = applying('to new clients', {
  'relay-device': option(optionalText, null, 'Relay from the addresses of this interface', {
    short: 'i',
  }),
  'relay-ip': list(relayAddress, 'Address to relay from', {
    short: 'E',
    defaultNote: 'the listening addresses',
  }),
  'external-ip': list(externalIp, 'Address seen from outside, behind NAT', { short: 'X', applies: 'at once' }),
  'min-port': portOption(49_152, 'Lowest relay port'),
  'max-port': portOption(65_535, 'Highest relay port'),
  'no-udp-relay': flag(false, 'No UDP allocations'),
  'no-tcp-relay': flag(false, 'No TCP allocations'),
  'tcp-relay': flag(false, 'TCP allocations (RFC 6062)', {
    caution:
      'clients open TCP connections from this server to every peer that the rules allow, mail servers among them',
  }),
  'allocation-default-address-family': option(
    choice('ipv4', 'ipv6', 'keep'),
    'ipv4',
    'Address family when the client asks for none',
    { short: 'A' },
  ),
  'keep-address-family': flag(false, 'Old name of allocation-default-address-family=keep', { short: 'K' }),
  'max-allocate-lifetime': lifetime(3600, 'Longest lifetime of an allocation', { applies: 'at once' }),
  'channel-lifetime': lifetime(600, 'Lifetime of a channel', { applies: 'at once' }),
  'permission-lifetime': lifetime(300, 'Lifetime of a permission', { applies: 'at once' }),
  'max-allocate-timeout': seconds(60, 'A connection without an allocation is closed after this time'),
  mobility: flag(false, 'Allocations move with their client (RFC 8016)'),
  'rfc8656-channel-numbers': flag(false, 'Channels 0x4000 to 0x4FFF only, instead of up to 0x7FFF', {
    applies: 'at once',
  }),
  'server-relay': flag(false, 'Relay without permissions', {
    caution: 'clients relay to and from everybody, permission or not',
    applies: 'at once',
  }),
  'multiplex-peer': flag(false, 'One relay port for many allocations', {
    state: notBuiltYet('every allocation has a relay port of its own'),
  }),
  'multiplex-peer-port': option(integer('PORT', 1, 65_000), 3480, 'Base port of multiplex-peer', {
    state: notBuiltYet('every allocation has a relay port of its own'),
  }),
  'multiplex-peer-max-peers': option(integer('N', 1, 65_535), 256, 'Peers of one allocation in multiplex-peer', {
    state: notBuiltYet('every allocation has a relay port of its own'),
  }),

  'user-quota': limit(0, 'Allocations of one user at a time; visitors of the page count by address', { short: 'q' }),
  'total-quota': limit(0, 'Allocations at a time', { short: 'Q' }),
  'max-allocations-per-address': limit(1024, 'Allocations of one address at a time'),
  'max-bps': limit(0, 'Bytes a second each way of one allocation', { short: 's' }),
  'max-pps': limit(10_000, 'Packets a second each way of one allocation'),
  'bps-capacity': limit(0, 'Bytes a second that allocations may reserve together', {
    short: 'B',
  }),
  'max-permissions': limit(1024, 'Permissions of one allocation', { applies: 'at once' }),
  'max-channels': limit(1024, 'Channels of one allocation', { applies: 'at once' }),
  'max-peer-connections': limit(16, 'TCP connections with peers of one allocation (tcp-relay)', { applies: 'at once' }),
  'drain-min-allocations': limit(0, 'A draining server stops when this many allocations are left', {
    state: withoutEffect('a draining server runs until it is told to stop'),
  }),
})

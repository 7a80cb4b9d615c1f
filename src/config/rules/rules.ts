import { isIP } from 'node:net'
import type { Draft } from '../draft.ts'
import { isPublishedSecret } from '../file/oddities.ts'
import type { Surroundings } from '../file/surroundings.ts'
import { alternatePorts, clash, type Listener, listeners, listeningAddresses, withoutServer } from '../listeners.ts'
import { optionOf } from '../options.ts'
import { Secret } from '../secret.ts'
import type { User } from '../values/text.ts'
import { hasDatabase } from './databases.ts'

const SHORT_SECRET = 16
const DEFAULT_REALM = 'webrtc-stack'
/** Below 1024 browsers talk to TURN servers on these ports only. */
const LOW_PORTS_OF_BROWSERS = [53, 80, 443]

/** Refuses combinations that cannot be meant, settles what depends on several options, and warns of traps. */
export function applyRules(
  draft: Draft,
  { domainName, interfaces, runSecret }: Pick<Surroundings, 'domainName' | 'interfaces' | 'runSecret'>,
): void {
  settleOldNames(draft)
  checkServers(draft)
  checkNatBehaviour(draft, interfaces)
  checkRelay(draft)
  checkPorts(draft)
  checkAdministration(draft)
  checkCredentialLinks(draft)
  settleAuthentication(draft, runSecret)
  settleRealm(draft, domainName)
}

function settleOldNames(draft: Draft): void {
  const { values } = draft
  if (values['keep-address-family']) values['allocation-default-address-family'] = 'keep'
  // coturn's own way back from the old key to the new one.
  if (draft.isGiven('no-dtls') && !values['no-dtls'] && !draft.isGiven('dtls')) values.dtls = true
  if (!values['rfc5766-channel-numbers'] && !draft.isGiven('rfc8656-channel-numbers'))
    values['rfc8656-channel-numbers'] = true
  if (values.sha256 === 'on') draft.warn('sha256', 'offers SHA-256 as in RFC 8489, and still takes SHA-1')
  if (values.sha256 === 'strict') draft.warn('sha256', 'keeps browsers out, which have SHA-1 only')
  if (values['log-file'] === 'syslog') {
    values.syslog = true
    values['log-file'] = null
  }
  if (values['sock-buf-size'] <= 0) values['sock-buf-size'] = 2_097_152
}

function checkServers(draft: Draft): void {
  const { rooms, signaling, turn } = draft.values
  if (!rooms && !signaling && !turn)
    draft.problem('turn', 'is off, and so are rooms and signaling', 'leave at least one of the three on')
}

/** As in coturn it switches itself off where it could not work (RFC 5780 §6). */
function checkNatBehaviour(draft: Draft, interfaces: Surroundings['interfaces']): void {
  const { values } = draft
  if (!values.rfc5780) return
  const listening = listeningAddresses(values)
  const all = [...interfaces.values()].flat().filter((host) => !host.startsWith('127.') && host !== '::1')
  const isWildcard = (host: string) => host === '0.0.0.0' || host === '::'
  const addresses = listening.some(isWildcard) ? all : listening
  const trouble = () => {
    if (values['external-ip'].some(({ privateIp }) => privateIp === null))
      return 'external-ip names one address for all: write PUBLIC/PRIVATE for each of two'
    if ([4, 6].every((family) => addresses.filter((host) => isIP(host) === family).length < 2))
      return `it takes two addresses of one family to listen on, and there ${addresses.length === 1 ? 'is' : 'are'} ${addresses.join(', ') || 'none'}`
    return alternatePorts(values).plain === 0 ? 'there is no port above listening-port: set alt-listening-port' : null
  }
  const why = trouble()
  if (why === null) return
  values.rfc5780 = false
  draft.warn('rfc5780', `is off: ${why}`)
}

function checkRelay(draft: Draft): void {
  const { values } = draft
  if (values['bps-capacity'] > 0 && values['max-bps'] === 0)
    draft.problem('bps-capacity', 'needs max-bps', 'set max-bps too')
  if (values['no-udp-relay'] && values['no-tcp-relay'])
    draft.problem(
      'no-tcp-relay',
      'with no-udp-relay leaves nothing to relay',
      'write stun-only, or take one of them out',
    )
  else if (values['tcp-relay'] && values['no-tcp-relay']) draft.warn('tcp-relay', 'has no effect beside no-tcp-relay')
  else if (values['no-udp-relay'] && !values['tcp-relay'])
    draft.warn('no-udp-relay', 'leaves nothing to relay as long as tcp-relay is not set')
  if (values['min-port'] > values['max-port'])
    draft.problem(
      draft.isGiven('min-port') ? 'min-port' : 'max-port',
      `leaves no relay port from ${values['min-port']} to ${values['max-port']}`,
      'min-port must not be above max-port',
    )
  if (values['min-port'] < 1024) draft.problem('min-port', 'is below 1024', 'relay ports begin at 1024 (RFC 8656 §7.2)')
}

function checkPorts(draft: Draft): void {
  const { values } = draft
  for (const name of ['listening-port', 'tls-listening-port'] as const) {
    const port = values[name]
    if (draft.isGiven(name) && port > 0 && port < 1024 && !LOW_PORTS_OF_BROWSERS.includes(port))
      draft.warn(name, `browsers refuse TURN on port ${port}; below 1024 they take 53, 80 and 443 only`)
  }
  const open = listeners(values)
  const told = new Set<string>()
  open.forEach((listener, index) => {
    for (const other of open.slice(0, index)) {
      const keys = [listener.portKey, other.portKey].toSorted().join()
      if (listener.portKey === other.portKey || told.has(keys) || !clash(listener, other)) continue
      told.add(keys)
      refuseSamePort(draft, listener, other)
    }
  })
}

function refuseSamePort(draft: Draft, a: Listener, b: Listener): void {
  const [blamed, taken] = draft.isGiven(a.portKey) ? [a, b] : [b, a]
  const message = `is ${blamed.port}, and so is ${taken.portKey}`
  if (draft.isGiven(taken.portKey)) {
    draft.problem(blamed.portKey, message, 'give each server a port of its own')
    return
  }
  const moved = `set ${taken.portKey} to another`
  draft.problem(
    blamed.portKey,
    `${message} by default, where ${taken.server} listens`,
    taken.server === 'TURN' ? moved : `${moved}, or ${withoutServer(taken)}`,
  )
}

function checkAdministration(draft: Draft): void {
  const { values } = draft
  if (values['allow-loopback-peers'] && values.cli && values['cli-password'] === null)
    draft.problem('allow-loopback-peers', 'with cli opens the console to every client', 'set cli-password')
  if (values['web-admin'] && values['no-tls']) draft.warn('web-admin', 'needs TLS, which no-tls switches off')
}

/** Who comes for TURN credentials has to know the key, and visitors know of it what we write into their links. */
function checkCredentialLinks(draft: Draft): void {
  const { values } = draft
  const keyNames = (['ice-server-api-key', 'ceod-key'] as const).filter((name) => values[name] !== '')
  if (!values.rooms || keyNames.length === 0) return
  const links = [
    { template: 'ice-server-url-template', base: values['ice-server-base-url'], filled: [KEY] },
    { template: 'turn-url-template', base: values['turn-base-url'], filled: ['user', KEY] },
  ] as const
  for (const { template, base, filled } of links) {
    if (!draft.isGiven(template) || (base !== null && hostOf(base) !== hostOf(`http://${values['public-host']}`)))
      continue
    const link = [OWN_BASE, ...filled].reduce((text, value) => text.replace('%s', value), values[template])
    // A link to somebody else is not for us to judge, and a key may stand in it as it is.
    if (hostOf(link) !== hostOf(OWN_BASE)) continue
    const key = new URL(link).searchParams.get('key')
    if (key === KEY || keyNames.some((name) => values[name] === key)) continue
    const example = optionOf(template).default
    draft.warn(
      template,
      `does not carry ${keyNames[0]} as key=…, so our own visitors get 403 instead of TURN credentials; write it as ${example}, or take it out`,
    )
  }
}

const OWN_BASE = 'http://own.invalid'
const KEY = 'the-key'

function hostOf(url: string): string | null {
  return URL.canParse(url) ? new URL(url).hostname : null
}

function settleAuthentication(draft: Draft, runSecret: () => string): void {
  const { values } = draft
  if (values['no-auth']) {
    for (const name of ['lt-cred-mech', 'use-auth-secret', 'static-auth-secret'] as const)
      if (draft.isGiven(name) && values[name] !== false)
        draft.problem(name, 'contradicts no-auth', 'take one of the two out')
    return
  }
  values.user = lastOfEachName(values.user)
  const saysOff = draft.isGiven('use-auth-secret') && !values['use-auth-secret']
  const secretsRefused = saysOff && values['static-auth-secret'].length > 0
  if (secretsRefused) {
    draft.warn('use-auth-secret', 'is off, so static-auth-secret is not used (coturn would use it)')
    values['static-auth-secret'] = []
  }
  const hasUsers = values.user.length > 0
  const hasSecrets = values['static-auth-secret'].length > 0
  if (values['static-auth-secret'].some(({ length }) => length < SHORT_SECRET))
    draft.warn(
      'static-auth-secret',
      `is shorter than ${SHORT_SECRET} characters; \`webrtc-stack init\` makes a good one`,
    )
  if (values['static-auth-secret'].some((secret) => isPublishedSecret(secret.reveal())))
    draft.warn('static-auth-secret', 'looks like one that a guide prints for everybody; `webrtc-stack init` makes one')
  if (hasUsers && hasSecrets) draft.warn('user', 'and static-auth-secret both work (coturn would ignore the users)')
  else if (hasUsers && !values['lt-cred-mech']) draft.warn('user', 'switches lt-cred-mech on')

  const relays = values.turn && !values['stun-only']
  const hasStore = hasDatabase(draft)
  if (relays && secretsRefused && !hasUsers && !hasStore)
    draft.problem('use-auth-secret', 'is off and there is no user, so nobody could relay', 'add a user, or take it out')
  if (relays && !hasSecrets && !secretsRefused && !hasUsers && !hasStore) reportNoLogin(draft)
  // Rooms hand out time-limited credentials, which need a secret even when people have accounts of their own.
  if (relays && values.rooms && !hasSecrets && !secretsRefused && !(hasUsers && saysOff))
    values['static-auth-secret'] = [new Secret(runSecret())]
  values['lt-cred-mech'] = true
  // A database may hold secrets, too.
  values['use-auth-secret'] = values['static-auth-secret'].length > 0 || (hasStore && !saysOff)
}

/** Nobody has been told a login: that is right for the call page alone, whose secret may last as long as it does. */
function reportNoLogin(draft: Draft): void {
  const { rooms } = draft.values
  draft.warnings.push({
    where: null,
    message: rooms
      ? 'no static-auth-secret: TURN credentials work for this run only; `webrtc-stack init` writes a lasting one'
      : 'neither a user nor a static-auth-secret: nobody can relay (coturn would let anybody; that is no-auth here)',
    inSummary: true,
  })
}

function settleRealm(draft: Draft, domainName: string | null): void {
  const { values } = draft
  if (!draft.isGiven('realm')) {
    // A key holds the realm it was made with. Made without one, it works with an empty realm alone.
    const hasKeys = values.user.some(({ key }) => key !== null)
    values.realm = domainName ?? (hasKeys ? '' : DEFAULT_REALM)
  }
  if (values.turn && !values['no-auth'] && !values['stun-only'] && values.realm === '')
    draft.warn(
      'realm',
      'is empty, with which browsers and libjuice cannot log in; set realm, and make 0x keys anew with `turnadmin -k -r REALM`',
    )
}

function lastOfEachName(users: readonly User[]): readonly User[] {
  return [...new Map(users.map((user) => [user.name, user])).values()]
}

import { isIP } from 'node:net'
import type { Draft } from '../draft.ts'
import type { Surroundings } from '../file/surroundings.ts'
import type { OptionName } from '../options.ts'
import type { ExternalIp } from '../values/addresses.ts'

/** Replaces host names and interface names by addresses, so that nobody behind the configuration resolves anything. */
export async function resolveAddresses(draft: Draft, surroundings: Surroundings): Promise<void> {
  const { values } = draft
  const resolve = (name: OptionName, host: string, index?: number) => resolveOne(draft, surroundings, name, host, index)

  for (const name of ['listening-ip', 'relay-ip'] as const) {
    const addresses = await Promise.all(values[name].map((host, index) => resolve(name, host, index)))
    values[name] = [...new Set(addresses)]
  }
  // Nothing can be sent from a wildcard; what is meant is whatever there is, which is what no relay-ip means.
  const isWildcard = (host: string) => host === '0.0.0.0' || host === '::'
  const wildcards = values['relay-ip'].filter(isWildcard)
  if (wildcards.length > 0 && wildcards.length < values['relay-ip'].length)
    draft.warn('relay-ip', `${wildcards.join(' and ')} adds nothing to the other addresses and is ignored`)
  draft.keep('relay-ip', (host) => !isWildcard(host))
  for (const name of [
    'aux-server',
    'alternate-server',
    'tls-alternate-server',
    'udp-alternate-server',
    'tcp-alternate-server',
  ] as const)
    values[name] = await Promise.all(
      values[name].map(async (server, index) => ({
        ...server,
        address: await resolve(name, server.address, index),
        ...(isIP(server.address) === 0 ? { name: server.address } : {}),
      })),
    )
  values.host = await resolve('host', values.host)
  dropUselessExternalIps(draft)
  useDevice(draft, surroundings, 'listening-device', 'listening-ip')
  useDevice(draft, surroundings, 'relay-device', 'relay-ip')
  values['external-ip'] = onePerFamily(
    draft,
    await Promise.all(
      values['external-ip'].map(async ({ publicIp, privateIp }, index) => ({
        publicIp: await resolve('external-ip', publicIp, index),
        privateIp: privateIp === null ? null : await resolve('external-ip', privateIp, index),
      })),
    ),
  )
}

async function resolveOne(
  draft: Draft,
  surroundings: Surroundings,
  name: OptionName,
  host: string,
  index?: number,
): Promise<string> {
  if (isIP(host) !== 0) return host
  try {
    const addresses = await surroundings.resolve(host)
    const [first = host] = addresses.filter((address) => isIP(address) === 4).concat(addresses)
    return first
  } catch {
    draft.problem(name, `names a host that cannot be resolved: "${host}"`, 'write its address', index)
    return host
  }
}

/** What nobody outside can reach stands for nothing. */
function dropUselessExternalIps(draft: Draft): void {
  draft.values['external-ip'].forEach(({ publicIp }) => {
    if (publicIp === '0.0.0.0' || publicIp === '::')
      draft.warn('external-ip', `${publicIp} is no address that anybody could reach, and is ignored`)
    else if (publicIp === '::1' || publicIp.startsWith('127.'))
      draft.warn('external-ip', `${publicIp} is what clients are told, where each of them reaches only itself`)
  })
  draft.keep('external-ip', ({ publicIp }) => publicIp !== '0.0.0.0' && publicIp !== '::')
}

/** Node cannot bind a socket to an interface, so the interface stands for its addresses. */
function useDevice(
  draft: Draft,
  { interfaces }: Surroundings,
  device: 'listening-device' | 'relay-device',
  list: 'listening-ip' | 'relay-ip',
): void {
  const name = draft.values[device]
  if (name === null) return
  const addresses = interfaces.get(name)
  if (draft.values[list].length > 0) {
    if (addresses === undefined) draft.warn(device, `there is no interface "${name}"; ${list} is used`)
    return
  }
  if (addresses === undefined || addresses.length === 0) {
    draft.problem(
      device,
      `names an interface without addresses: "${name}"`,
      `there are ${[...interfaces.keys()].join(', ')}`,
    )
    return
  }
  draft.values[list] = addresses
  draft.warn(device, `stands for the addresses that "${name}" has: ${addresses.join(', ')} now`)
}

/** One address may stand for all relay addresses of its family; coturn keeps the first of several, and so do we. */
function onePerFamily(draft: Draft, mappings: readonly ExternalIp[]): readonly ExternalIp[] {
  const seen = new Set<number>()
  return mappings.filter(({ publicIp, privateIp }, index) => {
    const family = isIP(publicIp)
    if (privateIp !== null) {
      if (isIP(privateIp) !== family)
        draft.problem('external-ip', 'mixes IPv4 and IPv6', 'write two addresses of one family', index)
      return true
    }
    if (seen.has(family)) {
      draft.warn('external-ip', `a second address without "/PRIVATE" is ignored: ${publicIp}`)
      return false
    }
    seen.add(family)
    return true
  })
}

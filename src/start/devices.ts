import type { LoadedConfig } from '../config/load.ts'
import type { Config } from '../config/options.ts'
import { presentInterfaces } from '../net/listen/interfaces.ts'

const DEVICES = [
  ['listening-device', 'listening-ip'],
  ['relay-device', 'relay-ip'],
] as const

/**
 * The configuration with the addresses that its devices have now, where nobody has written any; a device that has none at the moment
 * keeps those that it had.
 */
export function atDevices({ config, origins }: Pick<LoadedConfig, 'config' | 'origins'>): Config {
  const used = DEVICES.filter(([device, list]) => config[device] !== null && !origins.has(list))
  if (used.length === 0) return config
  const interfaces = presentInterfaces()
  const found = used.flatMap(([device, list]) => {
    const addresses = (interfaces[config[device] ?? ''] ?? []).filter(({ scopeid }) => !scopeid)
    return addresses.length === 0 ? [] : [[list, addresses.map(({ address }) => address)]]
  })
  return { ...config, ...Object.fromEntries(found) }
}

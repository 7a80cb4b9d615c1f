import { createRequire } from 'node:module'
import { isIP } from 'node:net'
import type * as zod from 'zod'
import { BadValue } from '../config-error.ts'
import { clip, type ValueType } from './value-type.ts'

/** HOST[:PORT] as it stands in a URL: an IPv6 address gets its brackets, and nothing else may be there. */
export const publicHost: ValueType<string | null> = {
  placeholder: 'HOST[:PORT]',
  parse(value) {
    if (value === '') return null
    const written = isIP(value) === 6 ? `[${value}]` : value
    const isHost = /^(?:\[[0-9a-f:.]+\]|[a-z0-9][a-z0-9._-]*)(?::[1-9]\d{0,4})?$/i.test(written)
    if (!isHost || !URL.canParse(`http://${written}`))
      throw new BadValue(
        `"${clip(value)}" is not HOST or HOST:PORT`,
        'write call.example.org or 203.0.113.7:8080, without http://',
      )
    return written
  },
  show: (value) => value ?? '',
}

/** An http or https URL of somebody else's server; empty: nobody's. */
export const providerUrl: ValueType<string | null> = {
  placeholder: 'URL',
  parse: (value) => url.parse(value) ?? '',
  show: (value) => value ?? '',
}

/** An http or https URL to which others are appended with a slash. */
export const url: ValueType<string | null> = {
  placeholder: 'URL',
  parse: (value) => prefixUrl.parse(value)?.replace(/\/+$/, '') ?? null,
  show: (value) => value ?? '',
}

/** An http or https URL to which more is appended as it is. */
export const prefixUrl: ValueType<string | null> = {
  placeholder: 'URL',
  parse(value) {
    if (value === '') return null
    if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value
    throw new BadValue(`"${clip(value)}" is not an http or https URL`)
  },
  show: (value) => value ?? '',
}

interface IceServer {
  readonly urls: string[]
  readonly username?: string | undefined
  readonly credential?: string | undefined
}

/** ICE servers given to every client as they are; their credentials are as public as the clients are. */
export const iceServers: ValueType<readonly IceServer[] | null> = {
  placeholder: 'JSON',
  parse(value) {
    if (value === '') return null
    const parsed = iceServersSchema().safeParse(parseJson(value))
    if (!parsed.success)
      throw new BadValue(
        'is not a JSON list of ICE servers',
        'write [{"urls":["turn:…"],"username":"…","credential":"…"}]',
      )
    return parsed.data
  },
  show: (value) =>
    value === null
      ? ''
      : JSON.stringify(
          value.map((server) => ('credential' in server ? { ...server, credential: '[redacted]' } : server)),
        ),
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** zod takes 5 MB of memory, and few set this key. */
function iceServersSchema() {
  const { z } = createRequire(import.meta.url)('zod') as typeof zod
  return z.array(
    z.object({
      urls: z.union([z.string().transform((one) => [one]), z.array(z.string())]),
      username: z.string().optional(),
      credential: z.string().optional(),
    }),
  )
}

import type { Hono } from 'hono'
import type { Caller } from './caller/caller.ts'

/** What every route knows besides the request. */
export interface Environment {
  Bindings: { caller: Caller }
}

export type App = Hono<Environment>

/**
 * The path that routes are matched with: decoded once, doubled slashes joined and one at the end dropped (chat programs add
 * it to links), so no spelling gets past a guard.
 */
export function routePath(request: Request): string {
  const { pathname } = new URL(request.url)
  try {
    return decodeURI(pathname)
      .replace(/\/{2,}/g, '/')
      .replace(/(?<=.)\/$/, '')
  } catch {
    return '/%'
  }
}

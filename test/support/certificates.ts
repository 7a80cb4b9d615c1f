import { readFileSync } from 'node:fs'
import type { Certificate } from '../../src/net/stream/tls-context.ts'

const fixture = (name: string) => readFileSync(new URL(`../fixtures/certificates/${name}`, import.meta.url), 'utf8')
const pair = (name: string): Certificate => ({ cert: fixture(`${name}.crt`), key: fixture(`${name}.key`) })

/** Self-signed for localhost, 127.0.0.1 and ::1. */
export const localhostEc = pair('localhost-ec')
/** The key of localhostEc behind the passphrase `turn-test`. */
export const encryptedKey = fixture('localhost-ec-encrypted.key')
/** Self-signed for turn.example.org and *.example.net. */
export const exampleEc = pair('example-ec')
/** Signed by the authority client-ca.crt. */
export const client = pair('client')

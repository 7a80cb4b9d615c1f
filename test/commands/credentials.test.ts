import { createHmac } from 'node:crypto'
import { expect, test } from 'vitest'
import { command } from './running.ts'

const flags = ['-n', '--static-auth-secret=0123456789abcdef', '--public-host=turn.example.org:8443']

test('credentials are what the secret makes of time and user, for as long as asked', async () => {
  const { exitCode, out } = await command('credentials', 'bob', ...flags, '--lifetime', '600', '--json')
  const made = JSON.parse(out) as {
    username: string
    password: string
    ttl: number
    uris: string[]
    iceServers: unknown
  }
  const [expiry, user] = made.username.split(':')
  const now = Date.now() / 1000
  expect([exitCode, user, made.ttl]).toEqual([0, 'bob', 600])
  expect(Math.abs(Number(expiry) - now - 600)).toBeLessThan(30)
  expect(made.password).toBe(createHmac('sha1', '0123456789abcdef').update(made.username).digest('base64'))
  expect(made.uris).toEqual(['turn:turn.example.org:3478?transport=udp', 'turn:turn.example.org:3478?transport=tcp'])
  expect(made.iceServers).toEqual([{ urls: made.uris, username: made.username, credential: made.password }])
})

test('credentials go by rest-api-separator and by the listeners that are on', async () => {
  const { out } = await command('credentials', 'bob', ...flags, '-C', '|', '--no-tcp', '--external-ip=203.0.113.1')
  expect(out).toMatch(/^username {2}\d+\|bob\npassword {2}\S+\nuri {7}turn:turn\.example\.org:3478\?transport=udp$/)
})

test.each([
  ['call.example.org:8443', 'call.example.org'],
  ['[2001:db8::1]:8443', '[2001:db8::1]'],
  ['2001:db8::1', '[2001:db8::1]'],
])('with the public host %s people go to %s', async (named, host) => {
  const { out } = await command('credentials', ...flags.slice(0, 2), `--public-host=${named}`, '--json')
  expect((JSON.parse(out) as { uris: string[] }).uris[0]).toBe(`turn:${host}:3478?transport=udp`)
})

test('without a public host the external address is the one to go to', async () => {
  const { out } = await command('credentials', ...flags.slice(0, 2), '--external-ip=2001:db8::1', '--json')
  expect((JSON.parse(out) as { uris: string[] }).uris[0]).toBe('turn:[2001:db8::1]:3478?transport=udp')
})

test('credentials of a secret that lasts for one run only are refused', async () => {
  const { exitCode, out, err } = await command('credentials', '-n')
  expect([exitCode, out]).toEqual([78, ''])
  expect(err).toContain('webrtc-stack init')
})

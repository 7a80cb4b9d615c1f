import { beforeAll, describe, expect, test } from 'vitest'
import { type CertificatePair, developmentCertificate } from '../../src/development-certificate.ts'
import { tutorial } from '../support/tutorial.ts'
import { complaints, load, warningsOf } from './loading.ts'

let pair: CertificatePair
beforeAll(async () => {
  pair = await developmentCertificate([])
})

const onItsMachine = () => ({
  files: { 'cert.pem': pair.cert, 'key.pem': pair.key },
  interfaces: new Map([['eth0', ['192.0.2.10']]]),
})
const local = (text: string) =>
  text
    .replace('/usr/local/etc/turn_server_cert.pem', 'cert.pem')
    .replace('/usr/local/etc/turn_server_pkey.pem', 'key.pem')

describe("the tutorial's file", () => {
  test('loads with every value it means', async () => {
    const { config } = await load(local(tutorial('192.0.2.10')), [], onItsMachine())
    expect(config).toMatchObject({
      'listening-device': 'eth0',
      'listening-ip': ['192.0.2.10'],
      'relay-ip': ['192.0.2.10'],
      Verbose: true,
      fingerprint: true,
      'lt-cred-mech': true,
      'use-auth-secret': true,
      'stale-nonce': 600,
      mobility: true,
      sha256: 'on',
      'no-multicast-peers': true,
      'allow-loopback-peers': false,
    })
    expect(config['static-auth-secret'].map((secret) => secret.reveal())).toEqual(['diveinedu'])
    expect(config.user.map(({ name, password, key }) => [name, password?.reveal(), key])).toEqual([
      ['diveinedu', 'diveinedu', null],
    ])
    expect([config.cert, config.pkey]).toEqual([
      expect.stringMatching(/cert\.pem$/),
      expect.stringMatching(/key\.pem$/),
    ])
  })
  test('has a realm that browsers accept, although it names none', async () => {
    const { config } = await load(local(tutorial('192.0.2.10')), [], onItsMachine())
    expect(config.realm).toBe('webrtc-stack')
  })
  test('gets one line for each key that needs attention, and none shows a secret', async () => {
    const { warnings } = await load(local(tutorial('192.0.2.10')), [], onItsMachine())
    const aboutKeys = warnings.filter(({ message }) => message.startsWith('"'))
    expect(aboutKeys.map(({ where, message }) => `${where} ${/^"[^"]+"/.exec(message)?.[0]}`)).toEqual([
      'turnserver.conf:16 "no-loopback-peers"',
      'turnserver.conf:19 "sha256"',
      'turnserver.conf:10 "static-auth-secret"',
      'turnserver.conf:12 "user"',
    ])
    expect(warnings.filter((warning) => !aboutKeys.includes(warning)).map(({ message }) => message)).toEqual([
      expect.stringMatching(/call page on port 8080 and signaling on 8089, and hands out TURN credentials/),
    ])
    expect(JSON.stringify(warnings)).not.toMatch(/diveinedu|06b2/)
  })
  test('as the page shows it, with ~~ around the address, gets an error that says what to remove', async () => {
    const masked = local(tutorial('~~106.186.127.xxx~~'))
    expect(await complaints(masked, [], onItsMachine())).toEqual([
      'turnserver.conf:3: "listening-ip": "~~106.186.127.xxx~~" is not an address; remove the "~~", which a Markdown page left in the text',
      'turnserver.conf:5: "relay-ip": "~~106.186.127.xxx~~" is not an address; remove the "~~", which a Markdown page left in the text',
    ])
  })
  test('loads on a machine without eth0, because the addresses are there too', async () => {
    const loaded = await load(local(tutorial('127.0.0.1')), [], { ...onItsMachine(), interfaces: new Map() })
    expect(loaded.config['listening-ip']).toEqual(['127.0.0.1'])
    expect(warningsOf(loaded, 'listening-device')).toHaveLength(1)
  })
})

test('sha256=strict demands what sha256 offers', async () => {
  expect((await load('sha256=strict\n')).config.sha256).toBe('strict')
  expect((await load('sha256=off\n')).config.sha256).toBe('off')
})

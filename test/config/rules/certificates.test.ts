import { createPrivateKey } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { findFile } from '../../../src/config/file/find-file.ts'
import { type CertificatePair, developmentCertificate } from '../../../src/development-certificate.ts'
import { complaints, load, temporaryFolder, warningsOf } from '../loading.ts'

let pair: CertificatePair
let other: CertificatePair
let files: Record<string, string>

beforeAll(async () => {
  pair = await developmentCertificate([])
  other = await developmentCertificate([])
  const locked = createPrivateKey(pair.key).export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'open',
  })
  files = {
    'c.pem': pair.cert,
    'k.pem': pair.key,
    'other.pem': other.key,
    'locked.pem': String(locked),
    'junk.pem': 'junk',
  }
})

test('a pair that fits is found next to the file and handed on by its path', async () => {
  const { config } = await load('cert=c.pem\npkey=k.pem\n', [], { files })
  expect(config.cert).toMatch(/\/c\.pem$/)
  expect(config.pkey).toMatch(/\/k\.pem$/)
})

describe('CONF-COMBO-08 SEC-56 the start stops', () => {
  test.each([
    [
      'a certificate that is not there',
      'cert=gone.pem\npkey=k.pem',
      /^turnserver\.conf:1: "cert": names a file that is not there: gone\.pem; /,
    ],
    [
      'a key that is not there',
      'cert=c.pem\npkey=gone.pem',
      /^turnserver\.conf:2: "pkey": names a file that is not there/,
    ],
    [
      'a key of another certificate',
      'cert=c.pem\npkey=other.pem',
      /^turnserver\.conf:2: "pkey": is not the key of the certificate/,
    ],
    [
      'a certificate that is none',
      'cert=junk.pem\npkey=k.pem',
      /^turnserver\.conf:1: "cert": names a file that is no usable PEM/,
    ],
    [
      'a key that is none',
      'cert=c.pem\npkey=junk.pem',
      /^turnserver\.conf:2: "pkey": names a file that is no usable PEM/,
    ],
    ['a folder', 'cert=/\npkey=k.pem', /^turnserver\.conf:1: "cert": names a file that cannot be read: \/ \(EISDIR\)/],
    ['a locked key without its password', 'cert=c.pem\npkey=locked.pem', /needs a password: .*; set pkey-pwd$/],
    [
      'a wrong password',
      'cert=c.pem\npkey=locked.pem\npkey-pwd=hunter2',
      /password does not open: .*; check pkey-pwd$/,
    ],
    ['a certificate alone', 'cert=c.pem', /^turnserver\.conf:1: "cert": is set and pkey is not/],
    ['TLS without certificate', 'tls=on', /^turnserver\.conf:1: "tls": needs a certificate/],
    ['ciphers that do not exist', 'cipher-list=NONE', /^turnserver\.conf:1: "cipher-list": holds no cipher/],
    ['groups that do not exist', 'ec-curve-name=P-1', /^turnserver\.conf:1: "ec-curve-name": holds a group/],
    ['a CA file that is none', 'CA-file=gone.pem', /^turnserver\.conf:1: "CA-file": names a file that is not there/],
  ])('for %s', async (_what, conf, message) => {
    const lines = await complaints(`${conf}\n`, [], { files })
    expect(lines).toHaveLength(1)
    expect(lines[0]).toMatch(message)
    expect(lines[0]).not.toContain('hunter2')
  })
  test('but not with no-tls, with --dev, or with the right password', async () => {
    await load('tls-listening-port=5349\nno-tls\n')
    await load('tls-listening-port=5349\ntls\n', ['--dev'])
    await load('cert=c.pem\npkey=locked.pem\npkey-pwd=open\n', [], { files })
  })
})

test('a TLS port or DTLS without a certificate starts with a warning, because nobody loses what they had', async () => {
  const loaded = await load('tls-listening-port=5349\ndtls\n')
  expect(warningsOf(loaded, 'tls-listening-port')).toEqual([
    expect.stringMatching(/nothing listens on 5349 without a certificate; set cert and pkey/),
  ])
  expect(warningsOf(loaded, 'dtls')).toHaveLength(1)
  expect(warningsOf(await load('tls-listening-port=5349\ndtls\nno-tls\n'), 'dtls')).toEqual([])
})

test('without any of these keys TLS is off, unless a pair of coturn’s default names is there', async () => {
  expect((await load('realm=x\n')).config.cert).toBeNull()
  const { config } = await load('realm=x\n', [], {
    files: { 'turn_server_cert.pem': pair.cert, 'turn_server_pkey.pem': pair.key },
  })
  expect(config.cert).toMatch(/turn_server_cert\.pem$/)
})

describe('the search for a file', () => {
  const places = () => ({ directory: temporaryFolder(), programDirectory: temporaryFolder() })

  test.each(['', 'turnserver', 'coturn', 'etc', 'etc/turnserver', 'etc/coturn'])(
    'CONF-FIND-03 CONF-FIND-04 goes through ./%s, here and beside the program',
    (folder) => {
      for (const start of ['directory', 'programDirectory'] as const) {
        const here = places()
        mkdirSync(join(here[start], folder), { recursive: true })
        writeFileSync(join(here[start], folder, 'x.pem'), '')
        expect(findFile('x.pem', here).path).toBe(join(here[start], folder, 'x.pem'))
      }
    },
  )
  test('CONF-FIND-03 goes through ../etc, and takes the first', () => {
    const { directory, programDirectory } = places()
    for (const folder of ['etc', 'work']) mkdirSync(join(directory, folder))
    writeFileSync(join(directory, 'etc/x.pem'), '')
    const here = { directory: join(directory, 'work'), programDirectory }
    expect(findFile('x.pem', here).path).toBe(join(directory, 'etc/x.pem'))
    writeFileSync(join(directory, 'work/x.pem'), '')
    expect(findFile('x.pem', here).path).toBe(join(directory, 'work/x.pem'))
  })
  test('CONF-FIND-02 opens a whole path as it is, and does not expand ~', () => {
    const here = places()
    const path = join(temporaryFolder(), 'x.pem')
    expect(findFile(path, here).path).toBeNull()
    writeFileSync(path, '')
    expect(findFile(path, here).path).toBe(path)
    writeFileSync(join(here.directory, '~x.pem'), '')
    expect(findFile('~x.pem', here).path).toBe(join(here.directory, '~x.pem'))
  })
})

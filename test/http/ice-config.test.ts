import { createHmac } from 'node:crypto'
import { afterEach, describe, expect, test } from 'vitest'
import { raw, Service, type ServiceOptions } from './service.ts'

interface IceDocument {
  username: string
  password: string
  ttl: number
  uris: string[]
  lifetimeDuration: string
  iceServers: { urls: string[]; username?: string; credential?: string }[]
}

let service: Service
const start = async (options: ServiceOptions = {}) => {
  service = await Service.start(options)
}
afterEach(() => service.close())
const ask = async (path = '/v1alpha/iceconfig', headers: Record<string, string> = {}): Promise<IceDocument> =>
  JSON.parse((await raw(service.url, { path, headers })).body)

describe('the document', () => {
  test.each([
    ['GET', '/turn?username=12345678&key=k'],
    ['GET', '/turn.php?username=12345678&key=k'],
    ['POST', '/v1alpha/iceconfig?key=k&username=12345678'],
    ['GET', '/v1alpha/iceconfig?key=k&username=12345678'],
    ['POST', '/turn?username=12345678'],
  ])('REST-02 URI-01 %s %s is both shapes in one', async (method, path) => {
    await start({ ice: { turnHosts: ['192.0.2.7'], turnTlsPort: 5349, secret: 'shared', lifetimeSeconds: 600 } })
    const { status, headers, body } = await raw(service.url, { method, path, headers: { Origin: 'https://appr.tc' } })
    expect(status).toBe(200)
    expect(headers['access-control-allow-origin']).toBe('*')
    const document = JSON.parse(body) as IceDocument
    const uris = [
      'turn:192.0.2.7:3478?transport=udp',
      'turn:192.0.2.7:3478?transport=tcp',
      'turns:192.0.2.7:5349?transport=tcp',
    ]
    expect(document.username).toMatch(/^[0-9]+:visitor-[\w-]{32}$/)
    const credential = createHmac('sha1', 'shared').update(document.username).digest('base64')
    expect(document).toEqual({
      username: document.username,
      password: credential,
      ttl: 600,
      uris,
      lifetimeDuration: '600s',
      iceServers: [{ urls: ['stun:192.0.2.7:3478'] }, { urls: uris, username: document.username, credential }],
    })
  })

  test('without a configured host the one of the request is used', async () => {
    await start()
    expect((await ask('/turn', { Host: 'call.example:8443' })).uris[0]).toBe('turn:call.example:3478?transport=udp')
    expect((await ask('/turn', { Host: '[2001:db8::1]:8443' })).uris[0]).toBe('turn:[2001:db8::1]:3478?transport=udp')
  })

  test('a visitor who came by localhost gets an address that the other side can use', async () => {
    await start({ ice: { loopbackHost: '192.0.2.9' } })
    for (const Host of ['localhost:8080', '127.0.0.1', '[::1]:8080'])
      expect((await ask('/turn', { Host })).uris[0]).toBe('turn:192.0.2.9:3478?transport=udp')
    expect((await ask('/turn', { Host: 'call.example' })).uris[0]).toBe('turn:call.example:3478?transport=udp')
  })

  test('TLS goes to the name the visitor used, because certificates are for names', async () => {
    await start({ ice: { turnHosts: ['192.0.2.7'], turnTlsPort: 5349 } })
    expect((await ask('/turn', { Host: 'call.example' })).uris).toEqual([
      'turn:192.0.2.7:3478?transport=udp',
      'turn:192.0.2.7:3478?transport=tcp',
      'turns:call.example:5349?transport=tcp',
    ])
  })

  test('URI-02 IPv6 addresses of ours are in brackets', async () => {
    await start({ ice: { turnHosts: ['2001:db8::1'] } })
    expect((await ask('/turn')).uris[0]).toBe('turn:[2001:db8::1]:3478?transport=udp')
  })

  test('ports that do not listen are not named', async () => {
    await start({ ice: { turnHosts: ['h'], turnPort: null, turnTcpPort: null, turnTlsPort: 443 } })
    const { iceServers } = await ask()
    expect(iceServers.flatMap(({ urls }) => urls)).toEqual(['turns:h:443?transport=tcp'])
  })

  test('without a secret there is only stun, and without anything an empty list', async () => {
    await start({ ice: { turnHosts: ['h'], secret: null } })
    expect((await ask()).iceServers).toEqual([{ urls: ['stun:h:3478'] }])
    await service.close()
    await start({ ice: { turnPort: null, turnTcpPort: null } })
    expect((await ask()).iceServers).toEqual([])
  })

  test('ice-server-override replaces everything, ice-server-urls the URIs', async () => {
    const fixed = { urls: ['turn:fixed.example'], username: 'u', credential: 'p' }
    await start({ http: { iceServerOverride: [fixed, { urls: [] }] } })
    expect(await ask()).toMatchObject({ username: 'u', password: 'p', uris: fixed.urls, iceServers: [fixed] })
    expect(await service.json('/params')).toMatchObject({ pc_config: expect.stringContaining('"iceServers":[]') })
    await service.close()
    await start({ http: { iceServerUrls: ['stun:s.example', 'turns:t.example?transport=tcp'] } })
    expect((await ask()).iceServers.map(({ urls }) => urls)).toEqual([
      ['stun:s.example'],
      ['turns:t.example?transport=tcp'],
    ])
  })
})

describe('AR-4.36 tt', () => {
  const turn = (uri: string) => `turn:h:3478?transport=${uri}`

  /** What AppRTC's page of 2016 and later does with the answer; browsers throw at a `stun:` that names a transport. */
  const filteredByPage = (urls: string[], transport: string) =>
    urls
      .filter((url) => url.includes(`transport=${transport}`) || !url.includes('?transport='))
      .map((url) => (url.includes('?transport=') ? url : `${url}?transport=${transport}`))

  test.each([
    ['udp', [turn('udp')]],
    ['tcp', [turn('tcp')]],
  ])('tt=%s: what the original page is sent to has no stun and that transport alone', async (tt, uris) => {
    await start({ ice: { turnHosts: ['h'], turnTlsPort: 5349 } })
    const { params } = await service.join('r', `?tt=${tt}`)
    expect(params.ice_server_url).toBe(`${service.url}/v1alpha/iceconfig?key=&tt=${tt}`)
    const { pathname, search } = new URL(params.ice_server_url)
    const document = await ask(pathname + search)
    expect(document.iceServers.map(({ urls }) => urls)).toEqual([uris])
    expect(document).toMatchObject({ uris, username: document.iceServers[0]!.username })
    expect(document.iceServers.flatMap(({ urls }) => filteredByPage(urls, tt))).toEqual(uris)
  })

  test('tt=tls is TLS, a transport that does not exist has no servers, none asked has all', async () => {
    await start({ ice: { turnHosts: ['h'], turnTlsPort: 5349 } })
    expect((await ask('/v1alpha/iceconfig?tt=tls')).iceServers).toMatchObject([
      { urls: ['turns:h:5349?transport=tcp'] },
    ])
    expect((await ask('/v1alpha/iceconfig?tt=x')).iceServers).toEqual([])
    expect((await ask('/v1alpha/iceconfig?tt=')).iceServers).toHaveLength(2)
    expect((await service.json('/params'))['ice_server_url']).toBe(`${service.url}/v1alpha/iceconfig?key=`)
  })

  test('a provider elsewhere is not asked what is not in its configuration, and fixed servers are filtered, too', async () => {
    const iceServerOverride = [{ urls: ['stun:s', 'turn:t'], username: 'u', credential: 'p' }]
    await start({ http: { iceServerBaseUrl: 'https://provider.example', iceServerOverride, urlOverrides: 'compat' } })
    const filtered = [{ ...iceServerOverride[0], urls: ['turn:t?transport=udp'] }]
    const params = await service.json('/params?tt=udp')
    expect(params).toMatchObject({
      ice_server_url: 'https://provider.example/v1alpha/iceconfig?key=',
      turn_server_override: filtered,
    })
    expect(JSON.parse(String(params['pc_config']))).toMatchObject({ iceServers: filtered })
    expect((await ask('/v1alpha/iceconfig?tt=udp')).iceServers).toEqual(filtered)
  })

  test('a strange tt cannot shape the URL', async () => {
    await start()
    expect((await service.json(`/params?tt=${encodeURIComponent('a&key=b#c')}`))['ice_server_url']).toBe(
      `${service.url}/v1alpha/iceconfig?key=&tt=a%26key%3Db%23c`,
    )
  })
})

describe('SEC-49', () => {
  test('SEC-49 credentials live at most a day and hold no secret', async () => {
    await start({ ice: { secret: 'the shared secret', lifetimeSeconds: 999_999 } })
    const { body } = await raw(service.url, { path: '/turn?username=u' })
    const document = JSON.parse(body) as IceDocument
    expect(document.ttl).toBe(86_400)
    const expiry = Number(document.username.split(':')[0])
    expect(Math.abs(expiry - (Date.now() / 1000 + 86_400))).toBeLessThan(60)
    expect(body).not.toContain('the shared secret')
    expect(Buffer.from(document.password, 'base64').toString('latin1')).not.toContain('the shared secret')
  })

  test('SEC-49 60 documents a minute for one address, then 429', async () => {
    await start()
    const paths = ['/turn', '/turn.php', '/v1alpha/iceconfig']
    for (let i = 0; i < 60; i++) expect((await raw(service.url + paths[i % 3])).status).toBe(200)
    for (const path of paths) {
      const { status, headers } = await raw(service.url + path)
      expect(status).toBe(429)
      expect(Number(headers['retry-after'])).toBeGreaterThan(0)
    }
  })

  test('SEC-49 whatever a stranger calls himself, credentials are for where he asks from', async () => {
    await start({ http: { trustedProxies: ['127.0.0.1'] } })
    const userid = async (name: string, from: string) => {
      const { username } = await ask(`/turn?username=${name}`, { 'X-Forwarded-For': from })
      return username.replace(/^[0-9]+:/, '')
    }
    const id = await userid('probe', '198.51.100.7')
    expect(await userid('another', '198.51.100.7')).toBe(id)
    expect(await userid('probe', '198.51.100.8')).not.toBe(id)
    const id6 = await userid('probe', '2001:db8:0:1::7')
    expect(await userid('probe', '2001:db8:0:1:ffff::8')).toBe(id6)
    expect(await userid('probe', '2001:db8:0:2::7')).not.toBe(id6)
  })

  test.each(['a\r\nb', '../x', 'x'.repeat(65), '%s', "'", '1:2'])(
    'SEC-49 user name %j of a stranger gets into no credential',
    async (name) => {
      await start()
      expect((await ask(`/turn?username=${encodeURIComponent(name)}`)).username).toMatch(/^[0-9]+:visitor-[\w-]{32}$/)
    },
  )
})

describe('keys', () => {
  const paths = ['/v1alpha/iceconfig', '/turn', '/turn.php', '//turn', '/%74urn']

  test.each([
    [{ iceServerApiKey: 'right' }, ['right']],
    [{ ceodKey: 'right' }, ['right']],
    [{ iceServerApiKey: 'one', ceodKey: 'two' }, ['one', 'two']],
  ])('SEC-49 with %o credentials are for those who know a key, at every address', async (http, right) => {
    await start({ http: { ...http, iceConfigPerMinute: 0 } })
    for (const path of paths)
      for (const method of ['GET', 'POST']) {
        const ask = (query: string) => raw(service.url, { method, path: path + query })
        for (const key of right) expect((await ask(`?key=${key}`)).status).toBe(200)
        for (const query of ['', '?key=', '?key=WRONG', '?key=righ', '?key=rightt', '?key=RIGHT', '?key=x&key=right']) {
          const { status, body } = await ask(query)
          expect([path, query, status]).toEqual([path, query, 403])
          expect(body).not.toContain('turn:')
        }
      }
  })

  test.each([{ iceServerApiKey: 'a&b %' }, { ceodKey: 'a&b %' }, { iceServerApiKey: 'one', ceodKey: 'two' }])(
    'SEC-49 with %o the addresses in our own answers go on working, and those in a link with a key of its own',
    async (http) => {
      await start({ http })
      for (const query of ['', '?apikey=another']) {
        const joined = (await service.join('r', query)).params
        for (const { turn_url, ice_server_url } of [joined, await service.json(`/params${query}`)])
          for (const url of [turn_url, ice_server_url]) expect((await raw(String(url))).status).toBe(200)
      }
    },
  )

  test('keys are not given to other providers, nor theirs to us', async () => {
    await start({ http: { ceodKey: 'ours', iceServerBaseUrl: 'https://provider.example', turnBaseUrl: '' } })
    expect(await service.json('/params')).toMatchObject({
      ice_server_url: 'https://provider.example/v1alpha/iceconfig?key=',
      turn_url: '',
    })
  })
})

describe('ice-config-needs-room', () => {
  const credentialsIn = (body: string) =>
    (JSON.parse(body) as IceDocument).iceServers.filter((server) => server.credential)

  test('a client gets credentials while it has a place, at the addresses of its join answer, for an hour', async () => {
    await start({ http: { iceConfigNeedsRoom: true, iceServerApiKey: 'k' } })
    const { client_id, turn_url, ice_server_url } = (await service.join('r')).params
    for (const url of [turn_url, ice_server_url]) {
      const { status, body } = await raw(url, { method: 'POST' })
      expect(status).toBe(200)
      expect(credentialsIn(body)).toHaveLength(1)
      expect(JSON.parse(body)).toMatchObject({ ttl: 3600, username: expect.stringMatching(/:visitor-/) })
    }
    await service.post(`/leave/r/${client_id}`)
    for (const url of [turn_url, ice_server_url]) expect((await raw(url)).status).toBe(403)
  })

  test.each(['?room=r&username=1', '?room=other&username=ID', '?room=&username='])('%s has none', async (query) => {
    await start({ http: { iceConfigNeedsRoom: true } })
    const { client_id } = (await service.join('r')).params
    const { status, body } = await raw(service.url, { path: `/v1alpha/iceconfig${query.replace('ID', client_id)}` })
    expect(status).toBe(403)
    expect(body).not.toContain('turn')
  })

  test('who names no client gets STUN alone: iOS asks before it has joined', async () => {
    await start({ http: { iceConfigNeedsRoom: true } })
    const { ice_server_url } = await service.json('/params')
    const { status, body } = await raw(String(ice_server_url))
    expect(status).toBe(200)
    expect(JSON.parse(body)).toMatchObject({ username: '', password: '', uris: [] })
    expect((JSON.parse(body) as IceDocument).iceServers.flatMap(({ urls }) => urls)).toEqual([
      expect.stringMatching(/^stun:/),
    ])
  })

  test.each(['own-hosts', 'compat'] as const)(
    'fixed servers with a password are for clients in a room, too (%s)',
    async (urlOverrides) => {
      const fixed = [{ urls: ['turn:fixed.example'], username: 'u', credential: 'hush' }]
      await start({ http: { iceConfigNeedsRoom: true, iceServerOverride: fixed, urlOverrides } })
      for (const path of ['/', '/r/r', '/params', '/v1alpha/iceconfig'])
        expect((await raw(service.url + path)).body).not.toContain('hush')
      const { ice_server_url, turn_server_override } = (await service.join('r')).params
      expect(turn_server_override).toEqual(fixed)
      expect((await raw(ice_server_url)).body).toContain('hush')
    },
  )

  test('another provider is told no room', async () => {
    await start({ http: { iceConfigNeedsRoom: true, iceServerBaseUrl: 'https://provider.example' } })
    const { ice_server_url } = (await service.join('secret-room')).params
    expect(ice_server_url).toBe('https://provider.example/v1alpha/iceconfig?key=')
  })
})

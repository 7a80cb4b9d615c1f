import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { raw, Service } from './service.ts'

const CHROME = 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36'

/** What was measured on the originals, with a Collider at 127.0.0.1:8089 and no provider. */
let service: Service
beforeAll(async () => {
  service = await Service.start({
    http: { urlOverrides: 'compat', wssHostPortPair: '127.0.0.1:8089', iceServerBaseUrl: '', turnBaseUrl: '' },
  })
})
afterAll(() => service.close())

async function params(query = '', userAgent = CHROME): Promise<Record<string, unknown>> {
  const { status, body } = await raw(service.url, { path: `/params${query}`, headers: { 'User-Agent': userAgent } })
  expect(status).toBe(200)
  const answer = JSON.parse(body)
  // Strings of JSON: only their meaning counts.
  for (const key of ['pc_config', 'pc_constraints', 'offer_options', 'media_constraints', 'version_info'])
    answer[key] = JSON.parse(answer[key])
  return answer
}

describe('AR-7', () => {
  test('AR-7 /params', async () => {
    expect(await params()).toMatchObject({
      header_message: null,
      error_messages: [],
      warning_messages: [],
      is_loopback: 'false',
      pc_config: { iceServers: [], bundlePolicy: 'max-bundle', rtcpMuxPolicy: 'require' },
      pc_constraints: { optional: [] },
      offer_options: {},
      media_constraints: {
        audio: true,
        video: { mandatory: {}, optional: [{ minWidth: '1280' }, { minHeight: '720' }] },
      },
      ice_server_url: '',
      ice_server_transports: '',
      include_loopback_js: '',
      wss_url: 'wss://127.0.0.1:8089/ws',
      wss_post_url: 'https://127.0.0.1:8089',
      bypass_join_confirmation: 'false',
      version_info: null,
    })
  })

  test('AR-7 wshpp and wstls', async () => {
    expect(await params('?wstls=false&wshpp=a.b:1')).toMatchObject({
      wss_url: 'ws://a.b:1/ws',
      wss_post_url: 'http://a.b:1',
    })
  })

  test('AR-7 it', async () => {
    expect((await params('?it=relay'))['pc_config']).toEqual({
      iceServers: [],
      bundlePolicy: 'max-bundle',
      rtcpMuxPolicy: 'require',
      iceTransports: 'relay',
      // Not in the original, whose page is not strict in today's browsers.
      iceTransportPolicy: 'relay',
    })
  })

  test('no policy that browsers throw at', async () => {
    for (const it of ['none', 'nohost', 'Relay'])
      expect((await params(`?it=${it}`))['pc_config']).toEqual({
        iceServers: [],
        bundlePolicy: 'max-bundle',
        rtcpMuxPolicy: 'require',
        iceTransports: it,
      })
    expect((await params('?it=all'))['pc_config']).toMatchObject({ iceTransports: 'all', iceTransportPolicy: 'all' })
  })

  test('AR-7 tt, ts and apikey', async () => {
    expect(await params('?tt=tcp&ts=http://t&apikey=k')).toMatchObject({
      ice_server_url: 'http://t/v1alpha/iceconfig?key=k',
      ice_server_transports: 'tcp',
    })
    expect(await params('?ts=')).toMatchObject({ ice_server_url: '', turn_url: '' })
  })

  test('AR-7 ipv6, dscp and dtls', async () => {
    expect((await params('?ipv6=true&dscp=false&dtls=true'))['pc_constraints']).toEqual({
      optional: [{ DtlsSrtpKeyAgreement: true }, { googDscp: false }, { googIPv6: true }],
    })
  })

  test('AR-7 audio, video and firefox_fake_device', async () => {
    const query = '?audio=echoCancellation=false,googX=1&video=optional:minWidth=640,bogus&firefox_fake_device=1'
    expect((await params(query))['media_constraints']).toEqual({
      audio: { mandatory: { echoCancellation: 'false' }, optional: [{ googX: '1' }] },
      video: { mandatory: {}, optional: [{ minWidth: '640' }] },
      fake: true,
    })
  })

  test('AR-7 hd with video, and minre', async () => {
    const answer = await params('?hd=true&video=false&minre=1')
    expect(answer['media_constraints']).toMatchObject({
      video: { mandatory: { minWidth: '1280', minHeight: '720' }, optional: [] },
    })
    expect(answer['warning_messages']).toEqual([
      'The "hd" parameter has overridden video=false',
      'The "minre" and "maxre" parameters are no longer supported. Use "video" instead.',
    ])
    expect(answer['error_messages']).toEqual([])
  })

  test('AR-7 debug=loopback', async () => {
    const answer = await params('?debug=loopback&hd=false')
    expect(answer).toMatchObject({
      is_loopback: 'true',
      pc_constraints: { optional: [{ DtlsSrtpKeyAgreement: false }] },
      media_constraints: { video: true },
    })
    expect(answer['include_loopback_js']).toContain('/js/loopback.js')
  })

  test('AR-7 room_link', async () => {
    const joined = JSON.parse(
      (await raw(service.url, { method: 'POST', path: '/join/foo?wstls=false&x=<b>"&y=a%26b' })).body,
    )
    expect(joined.params.room_link).toBe(`http://${service.host}/r/foo?wstls=false&x=&lt;b&gt;&quot;&y=a&amp;b`)
  })

  test('AR-7 the third join, strangers and leave', async () => {
    await service.join('foo3')
    await service.join('foo3')
    expect(await service.join('foo3')).toEqual({ result: 'FULL', params: { messages: [] } })
    expect(await service.json('/message/foo3/1', { method: 'POST', body: 'x' })).toEqual({ result: 'UNKNOWN_CLIENT' })
    expect(await service.json('/message/nope/1', { method: 'POST', body: 'x' })).toEqual({ result: 'UNKNOWN_ROOM' })
    expect(await raw(service.url, { method: 'POST', path: '/leave/foo3/1' })).toMatchObject({ status: 200, body: '' })
    expect(await raw(service.url, { path: '/leave/foo3/1' })).toMatchObject({ status: 405 })
    expect(await raw(service.url, { method: 'POST', path: '/join/bad.room' })).toMatchObject({ status: 404 })
    expect(await service.json('/a/', { method: 'POST' })).toEqual({ result: 'INVALID_REQUEST' })
  })
})

describe('constraint grammar', () => {
  test.each([
    ['true', true],
    ['TRUE', true],
    ['', true],
    ['False', false],
    [
      'a=1,mandatory:googB=2,googC=3,optional:d=4',
      { mandatory: { a: '1', googB: '2' }, optional: [{ googC: '3' }, { d: '4' }] },
    ],
    ['a=1=2,b,=x', { mandatory: { '': 'x' }, optional: [] }],
    ['__proto__=1', JSON.parse('{"mandatory":{"__proto__":"1"},"optional":[]}')],
  ])('audio=%s', async (text, constraints) => {
    const answer = await params(`?audio=${encodeURIComponent(text)}`)
    expect((answer['media_constraints'] as Record<string, unknown>)['audio']).toEqual(constraints)
  })

  test.each([
    ['Mozilla/5.0 (Linux; Android 14) Chrome/156', ''],
    ['Mozilla/5.0 Firefox/150', ''],
    ['', ''],
    [CHROME, '?hd=false'],
    [CHROME, '?video=true'],
  ])('no HD by default for %s%s', async (userAgent, query) => {
    expect((await params(query, userAgent))['media_constraints']).toEqual({ audio: true, video: true })
  })

  test('hd that is not true keeps video, and says that it does not', async () => {
    const answer = await params('?hd=1&video=minWidth=640')
    expect(answer['media_constraints']).toMatchObject({ video: { mandatory: { minWidth: '640' }, optional: [] } })
    expect(answer['warning_messages']).toHaveLength(1)
  })

  test('the first of repeated arguments counts, in the query before the form', async () => {
    expect(await params('?tt=udp&tt=tcp')).toMatchObject({ ice_server_transports: 'udp' })
    const joined = await service.post('/join/form?tt=udp', 'tt=tcp&it=relay', {
      'Content-Type': 'application/x-www-form-urlencoded',
    })
    expect(await joined.json()).toMatchObject({
      params: { ice_server_transports: 'udp', pc_config: expect.stringContaining('"iceTransports":"relay"') },
    })
  })
})

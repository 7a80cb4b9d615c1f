import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Service, until } from '../http/service.ts'

describe('a client whose network has changed under its WebSocket', () => {
  let service: Service
  beforeEach(async () => {
    service = await Service.start()
  })
  afterEach(() => service.close())

  test('takes its place over with a second one and its secret, though the first looks alive', async () => {
    const { params } = await service.join('room')
    const other = await service.join('room')
    const old = await service.register('room', params.client_id)
    const friend = await service.register('room', other.params.client_id)
    const fresh = await service.connect()
    fresh.say({ cmd: 'register', roomid: 'room', clientid: params.client_id, secret: params['client_secret'] })
    await old.closed
    friend.send('for whoever is there now')
    expect(await fresh.heard(1)).toEqual(['for whoever is there now'])
    expect(old.texts).toEqual([])
    fresh.send('and back')
    expect(await friend.heard(1)).toEqual(['and back'])
    expect(service.hub.counters.openSockets).toBe(2)
  })

  test.each([
    ['a wrong one', 'AAAAAAAAAAAAAAAAAAAAAA'],
    ['an empty one', ''],
    ['something else', 7],
    ['that of the other side', null],
  ])('SEC-53 cannot with %s', async (_name, secret) => {
    const { params } = await service.join('room')
    const other = await service.join('room')
    const old = await service.register('room', params.client_id)
    const thief = await service.connect()
    const shown = secret ?? other.params['client_secret']
    thief.say({ cmd: 'register', roomid: 'room', clientid: params.client_id, secret: shown, incall: true })
    await thief.closed
    expect(thief.errors).toEqual(['Duplicated registration'])
    expect(old.closeCode).toBeNull()
  })

  test('the secret is told to nobody else', async () => {
    const first = await service.join('room')
    const second = await service.join('room')
    const secret = String(first.params['client_secret'])
    expect(secret).toHaveLength(22)
    expect(JSON.stringify(second)).not.toContain(secret)
  })
})

test('a call comes back to a server that was restarted, and a phone that was faster has to go', async () => {
  const service = await Service.start()
  try {
    const phone = await service.join('room')
    const impatient = await service.register('room', phone.params.client_id)
    const members = await Promise.all(
      ['11111111', '22222222'].map(async (clientid) => {
        const peer = await service.connect()
        peer.say({ cmd: 'register', roomid: 'room', clientid, secret: `secret of ${clientid}`, incall: true })
        return peer
      }),
    )
    expect(await impatient.closed).toBe(1000)
    await until(() => service.hub.counters.openSockets === 2)
    members[0]!.send('offer')
    expect(await members[1]!.heard(1)).toEqual(['offer'])
    expect((await service.join('room')).result).toBe('FULL')
  } finally {
    await service.close()
  }
})

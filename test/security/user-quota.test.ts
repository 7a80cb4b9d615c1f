import { get } from 'node:http'
import { expect, test } from 'vitest'
import { mint } from '../../src/turn/auth/credentials.ts'
import { NetworkClient } from '../support/network-client.ts'
import { startForTest, type TestServer, testSecret } from '../support/server.ts'
import type { Login } from '../support/turn-client.ts'

const ACCOUNT: Login = { username: 'probe', password: 'under-the-mountain' }
const QUOTA = 4

/** What the open document gives to whoever asks from `from` and calls himself `name`. */
async function visitor(server: TestServer, path: string, name: string, from = '127.0.0.1'): Promise<Login> {
  const body = await new Promise<string>((resolve, reject) => {
    const request = get(`${server.url}${path}?username=${name}`, { localAddress: from }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve(text))
    })
    request.on('error', reject)
  })
  const { username, password } = JSON.parse(body) as Login
  return { username, password }
}

/** What an operator's own service signs, at the n-th second. */
function signed(userid: string, n = 0): Login {
  return mint(testSecret, { userid, lifetimeSeconds: 600 + n, wallMs: Date.now() })
}

/** How many of five Allocates with these credentials are granted; those refused are so for the quota. */
async function granted(server: TestServer, logins: (n: number) => Login | Promise<Login>): Promise<number> {
  let count = 0
  for (let n = 0; n <= QUOTA; n++) {
    const client = await NetworkClient.udp({ port: server.ports.udp, login: await logins(n) })
    const { code } = await client.allocate()
    if (code === 200) count++
    else expect(code).toBe(486)
  }
  return count
}

test('SEC-27 nobody can use up the quota of an account, of a name signed elsewhere or of visitors elsewhere', async () => {
  const server = await startForTest({ user: `${ACCOUNT.username}:${ACCOUNT.password}`, 'user-quota': String(QUOTA) })
  const paths = ['/v1alpha/iceconfig', '/turn', '/turn.php']
  // A new name each time is no fresh quota.
  expect(await granted(server, (n) => visitor(server, paths[n % 3]!, n === 0 ? 'probe' : `probe${n}`))).toBe(QUOTA)
  expect(await granted(server, () => visitor(server, '/turn', 'probe', '127.0.0.2'))).toBe(QUOTA)
  expect(await granted(server, (n) => signed('probe', n))).toBe(QUOTA)
  expect(await granted(server, () => ACCOUNT)).toBe(QUOTA)
  const { username } = await visitor(server, '/turn', 'probe')
  const userid = username.slice(username.indexOf(':') + 1)
  const forged = `${userid.slice(0, -1)}${userid.endsWith('A') ? 'B' : 'A'}`
  expect(await granted(server, (n) => signed(forged, n))).toBe(QUOTA)
})

test('SEC-27 a visitor is known on every server that shares the secret', async () => {
  const quota = { 'user-quota': String(QUOTA) }
  const [one, other] = [await startForTest(quota), await startForTest(quota)]
  const logins = await Promise.all([one, other].map((server, n) => visitor(server, '/turn', `probe${n}`)))
  expect(await granted(other, (n) => logins[n % 2]!)).toBe(QUOTA)
})

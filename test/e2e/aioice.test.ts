import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeWith } from '../support/peers.ts'
import { startTestServer, type TestServer } from '../support/server.ts'
import { run } from '../support/turnutils.ts'
import { expectRelayed, relayServer } from './data-channel.ts'

let server: TestServer

beforeEach(async () => {
  server = await startTestServer()
})

afterEach(() => server.close())

describeWith(['aioice'], 'aioice', () => {
  for (const transport of ['udp', 'tcp'] as const) {
    test(`two peers talk through our relay alone, over ${transport}`, async () => {
      const { username, credential } = await relayServer(server, transport)
      const options = { host: '127.0.0.1', port: server.ports[transport], username, password: credential, transport }
      const script = fileURLToPath(new URL('aioice/two_peers.py', import.meta.url))
      // Debian's own Python, which is the one that has the package.
      const { code, text } = await run('/usr/bin/python3', [script, JSON.stringify(options)], 30_000)
      expect(code, text).toBe(0)
      const { answer, candidates, selected } = JSON.parse(text) as Record<string, string | string[]>
      expect(answer).toBe('you said hello')
      expect(selected).toEqual(['relay', 'relay'])
      await expectRelayed(server, candidates as string[], transport)
      await server.expectNoAllocations()
    })
  }
})

import { describe, expect, test } from 'vitest'
import { readStats } from '../../src/web/link/stats.ts'

type Entry = Record<string, unknown>

function report(local: Entry, remote: Entry, pair: Entry = {}, transport: Entry | null = {}): Map<string, Entry> {
  const entries = new Map<string, Entry>([
    ['other', { type: 'candidate-pair', localCandidateId: 'other-local', remoteCandidateId: 'R', state: 'failed' }],
    ['other-local', { type: 'local-candidate', candidateType: 'host' }],
    [
      'P',
      { type: 'candidate-pair', localCandidateId: 'L', remoteCandidateId: 'R', currentRoundTripTime: 0.0421, ...pair },
    ],
    ['L', { type: 'local-candidate', ...local }],
    ['R', { type: 'remote-candidate', ...remote }],
  ])
  if (transport !== null) entries.set('T', { type: 'transport', selectedCandidatePairId: 'P', ...transport })
  return entries
}

describe('the path', () => {
  test.each(['host', 'srflx', 'prflx'])('is direct from a %s candidate', (candidateType) => {
    expect(readStats(report({ candidateType }, { candidateType: 'srflx' })).path).toEqual({ kind: 'direct' })
  })

  test.each(['udp', 'tcp', 'tls'])('goes by relay over %s', (relayProtocol) => {
    const reading = readStats(report({ candidateType: 'relay', relayProtocol }, { candidateType: 'host' }))
    expect(reading.path).toEqual({ kind: 'relay', protocol: relayProtocol })
  })

  test('goes by relay when only the other side uses one', () => {
    const reading = readStats(report({ candidateType: 'host' }, { candidateType: 'relay' }))
    expect(reading.path).toEqual({ kind: 'relay', protocol: null })
  })

  test('goes by relay of unknown protocol in a browser that does not tell', () => {
    expect(readStats(report({ candidateType: 'relay' }, {})).path).toEqual({ kind: 'relay', protocol: null })
  })

  test('is unknown before a pair is chosen', () => {
    expect(readStats(new Map()).path).toBeNull()
    expect(readStats(report({}, {}, { state: 'in-progress' }, null)).path).toBeNull()
  })

  test.each([{ selected: true }, { nominated: true, state: 'succeeded' }])(
    'is found without a transport entry by %j',
    (pair) => {
      const reading = readStats(report({ candidateType: 'relay', relayProtocol: 'tcp' }, {}, pair, null))
      expect(reading.path).toEqual({ kind: 'relay', protocol: 'tcp' })
    },
  )
})

test('the round trip is in whole milliseconds, and null until measured', () => {
  expect(readStats(report({}, {})).roundTripMs).toBe(42)
  expect(readStats(report({}, {}, { currentRoundTripTime: undefined })).roundTripMs).toBeNull()
})

test('decoded frames are those of video', () => {
  const entries = report({}, {})
  entries.set('a', { type: 'inbound-rtp', kind: 'audio', framesDecoded: 5 })
  entries.set('v', { type: 'inbound-rtp', kind: 'video', framesDecoded: 120 })
  expect(readStats(entries).framesDecoded).toBe(120)
})

test('what arrives is counted on every path and track, checks and their answers too', () => {
  const entries = report({}, {}, { bytesReceived: 1000, responsesReceived: 20, requestsReceived: 3 })
  entries.set('a', { type: 'inbound-rtp', kind: 'audio', bytesReceived: 400_000 })
  entries.set('other', { type: 'candidate-pair', requestsReceived: 1_000_000 })
  entries.set('o', { type: 'outbound-rtp', kind: 'audio', bytesSent: 7 })
  expect(readStats(entries).received).toBe(1_401_023)
})

/** Parts of a join answer that phone apps read. */
export interface JoinParameters {
  readonly room_id: string
  readonly client_id: string
  readonly is_initiator: string | boolean
  readonly messages?: readonly string[]
  readonly wss_url: string
  readonly wss_post_url: string
  readonly pc_config: string
  readonly turn_url?: string
  readonly ice_server_url?: string
  readonly [key: string]: unknown
}

/** What tells the generations of phone apps apart, after their published behaviour. */
export interface PhoneGeneration {
  readonly name: string
  readonly joinPath: string
  readonly leavePath: string
  readonly headers: Readonly<Record<string, string>>
  /** With which messages are posted: iOS leaves it at its platform's default, and the body is JSON all the same. */
  readonly messageType: string
  /** White space in what it writes. */
  readonly indent: number | undefined
  /** Keys without which its parser throws. */
  readonly needs: readonly string[]
  /** An offer to the one who calls, a text of an unknown type and a frame without a text end its call. */
  readonly strict: boolean
  iceServers(roomServer: string, joined: JoinParameters): Promise<RTCIceServer[]>
}

const MOZILLA = { 'user-agent': 'Mozilla/5.0' }

export const androidJanuary2015: PhoneGeneration = {
  name: 'Android of January 2015',
  joinPath: 'register',
  leavePath: 'bye',
  headers: {},
  messageType: 'text/plain; charset=utf-8',
  indent: undefined,
  needs: [
    'room_id',
    'client_id',
    'wss_url',
    'wss_post_url',
    'pc_config',
    'turn_url',
    'pc_constraints',
    'media_constraints',
  ],
  strict: true,
  iceServers: (_roomServer, joined) =>
    oneAccount(joined.turn_url!, { origin: 'https://apprtc.appspot.com', ...MOZILLA }),
}

export const android2023: PhoneGeneration = {
  ...androidJanuary2015,
  name: 'Android of 2023',
  joinPath: 'join',
  leavePath: 'leave',
  headers: { origin: 'https://appr.tc' },
  needs: ['room_id', 'client_id', 'wss_url', 'wss_post_url', 'pc_config', 'ice_server_url'],
  iceServers: (_roomServer, joined) => listOfServers(joined.ice_server_url!),
}

export const ios2015: PhoneGeneration = {
  name: 'iOS of 2015',
  joinPath: 'join',
  leavePath: 'leave',
  headers: {},
  messageType: 'application/x-www-form-urlencoded',
  indent: 2,
  needs: ['room_id', 'client_id', 'wss_url', 'wss_post_url'],
  strict: false,
  // The address is compiled in; people who host it themselves compile in their own.
  iceServers: (roomServer) =>
    oneAccount(`${roomServer}/turn?username=iapprtc&key=4080218913`, { origin: roomServer, ...MOZILLA }),
}

export const ios2023: PhoneGeneration = {
  ...ios2015,
  name: 'iOS of 2023',
  iceServers: async (roomServer) => {
    const parameters = (await (await fetch(`${roomServer}/params`)).json()) as JoinParameters
    return listOfServers(parameters.ice_server_url!)
  },
}

/** CEOD's document: all of its keys must be there. */
async function oneAccount(url: string, headers: Record<string, string>): Promise<RTCIceServer[]> {
  const document = (await (await fetch(url, { headers })).json()) as Record<string, unknown>
  const { username, password, uris } = document
  if (typeof username !== 'string' || typeof password !== 'string' || !Array.isArray(uris) || uris.length === 0)
    throw new Error(`no TURN in ${JSON.stringify(document)}`)
  return [{ urls: uris as string[], username, credential: password }]
}

async function listOfServers(url: string): Promise<RTCIceServer[]> {
  const answer = await fetch(url, { method: 'POST', headers: { referer: 'https://appr.tc' } })
  if (answer.status !== 200) throw new Error(`ICE servers: ${answer.status}`)
  const { iceServers } = (await answer.json()) as { iceServers: (RTCIceServer & { urls: string[] })[] }
  for (const { urls } of iceServers)
    if (typeof urls[0] !== 'string') throw new Error('an ICE server without an address')
  return iceServers
}

#!/usr/bin/env node
// Started by coturn's name it is what coturn is: a TURN server and nothing else.
process.argv.splice(2, 0, 'turnserver')
await import('./webrtc-stack.js')

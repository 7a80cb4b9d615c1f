import { writeFileSync } from 'node:fs'
import { renderExample } from '../../src/config/example.ts'

/** `npm run example`: the table has changed, and the file follows. */
writeFileSync('turnserver.conf.example', renderExample())

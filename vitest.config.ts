import { defineConfig } from 'vitest/config'
import { defines, pageAssets } from './tsup.config.ts'

export default defineConfig({
  define: defines,
  plugins: [
    {
      name: 'embed-page',
      resolveId: (id) => (id === 'virtual:page-assets' ? '\0page-assets' : null),
      load: (id) => (id === '\0page-assets' ? pageAssets(false) : null),
    },
  ],
  test: {
    pool: 'forks',
    include: ['test/**/*.test.{ts,tsx}'],
    globalSetup: ['test/support/peers-setup.ts'],
    reporters: ['default', './test/support/summary-reporter.ts'],
    maxWorkers: 2,
    // Real sockets, browsers and peers on a machine that does other things too: one more try, and the summary names who needed it.
    retry: 1,
    testTimeout: 20_000,
    hookTimeout: 60_000,
  },
})

import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { build, type Plugin } from 'esbuild'
import { defineConfig } from 'tsup'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/** Values that the sources take as constants; vitest.config.ts defines the same ones. */
export const defines = { __VERSION__: JSON.stringify(version) }

/** The call page's script and style, bundled for browsers. */
export function bundlePage(minify: boolean) {
  return build({
    entryPoints: { call: 'src/web/call.tsx' },
    bundle: true,
    write: false,
    metafile: true,
    outdir: '.',
    platform: 'browser',
    target: ['chrome100', 'firefox100', 'safari15'],
    format: 'iife',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'eof',
    charset: 'utf8',
    minify,
    define: defines,
  })
}

/** V8 keeps the text of all that it runs, twice as long where a character is not of Latin-1; names stay for stack traces. */
const COMPACT = { charset: 'ascii', minifyWhitespace: true, legalComments: 'none' } as const

/** The thread that relays, as a script of its own: see spawnRelayThread. */
async function bundleThread(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: ['src/start/relaying/relay-thread.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    external: ['koffi'],
    ...COMPACT,
    define: { ...defines, 'import.meta.url': 'programUrl' },
  })
  return outputFiles[0]!.text
}

/** Modules that exist only in a bundle, by name: makes the source of each. */
export const virtualModules: Readonly<Record<string, (minify: boolean) => Promise<string>>> = {
  /** The text of each file of the page. */
  'virtual:page-assets': async (minify) => {
    const { outputFiles } = await bundlePage(minify)
    const text = (ending: string) => JSON.stringify(outputFiles.find((file) => file.path.endsWith(ending))?.text ?? '')
    return `export const callScript = ${text('.js')}\nexport const callStyle = ${text('.css')}\n`
  },
  'virtual:relay-thread': async () => `export const relayThread = ${JSON.stringify(await bundleThread())}\n`,
}

const embed: Plugin = {
  name: 'embed',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^virtual:/ }, ({ path }) => ({ path, namespace: 'virtual' }))
    onLoad({ filter: /.*/, namespace: 'virtual' }, async ({ path }) => ({
      contents: await virtualModules[path]!(true),
      loader: 'js',
    }))
  },
}

/** Where a build is made, so that `dist` is never without one. */
const WORKSHOP = `.tmp/build-${process.pid}`

/** Files have their content's hash in their names, but for cli.js, which names them: it comes last. */
function publish(): void {
  mkdirSync('dist', { recursive: true })
  const files = readdirSync(WORKSHOP).sort((a, b) => Number(a.startsWith('cli.js')) - Number(b.startsWith('cli.js')))
  for (const file of files) renameSync(join(WORKSHOP, file), join('dist', file))
  rmSync(WORKSHOP, { recursive: true })
  for (const file of readdirSync('dist')) if (!files.includes(file)) rmSync(join('dist', file), { recursive: true })
}

export default defineConfig({
  entry: { cli: 'src/cli.ts' },
  outDir: WORKSHOP,
  format: 'esm',
  target: 'node20',
  platform: 'node',
  sourcemap: true,
  clean: true,
  dts: false,
  splitting: true,
  define: defines,
  esbuildPlugins: [embed],
  esbuildOptions: (options) => void Object.assign(options, COMPACT),
  onSuccess: async () => publish(),
})

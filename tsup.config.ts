import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { build, type Metafile, type Plugin } from 'esbuild'
import { defineConfig } from 'tsup'

const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }

/** Values that the sources take as constants; vitest.config.ts defines the same ones. */
export const defines = { __VERSION__: JSON.stringify(version) }

/** The scripts and styles of the pages, bundled for browsers: one entry a page, and what they share or load later in chunks. */
export function bundlePages(minify: boolean) {
  return build({
    entryPoints: { landing: 'src/web/landing.tsx', call: 'src/web/call.tsx' },
    bundle: true,
    splitting: true,
    write: false,
    metafile: true,
    outdir: '.',
    entryNames: '[name].[hash]',
    chunkNames: '[name].[hash]',
    platform: 'browser',
    target: ['chrome100', 'firefox100', 'safari15'],
    format: 'esm',
    jsx: 'automatic',
    jsxImportSource: 'preact',
    legalComments: 'eof',
    charset: 'utf8',
    minify,
    define: defines,
  })
}

/** What the server serves of them. */
export async function pageFiles(minify: boolean): Promise<{ files: PageFile[]; pages: Record<string, PageParts> }> {
  const { outputFiles, metafile } = await bundlePages(minify)
  // The smallest there is for what is published; tests need only something that decompresses.
  const quality = minify ? constants.BROTLI_MAX_QUALITY : constants.BROTLI_MIN_QUALITY
  const files = outputFiles.map(
    ({ path, contents, text }): PageFile => ({
      name: basename(path),
      text,
      br: brotliCompressSync(contents, { params: { [constants.BROTLI_PARAM_QUALITY]: quality } }).toString('base64'),
      gzip: gzipSync(contents, { level: minify ? 9 : 1 }).toString('base64'),
    }),
  )
  const outputs = Object.entries(metafile.outputs).filter(([, { entryPoint }]) => entryPoint !== undefined)
  const pages: Record<string, PageParts> = {}
  for (const [script, { entryPoint, cssBundle }] of outputs) {
    const page = /^src\/web\/(\w+)\.tsx$/.exec(entryPoint!)?.[1]
    if (page !== undefined) pages[page] = { script, style: cssBundle!, chunks: chunksOf(script, metafile) }
  }
  const styles = Object.values(pages).map(({ style }) => style)
  // Nobody would load it: what comes later has its style with the page that asks for it.
  const inputsOf = (style: string) => Object.keys(metafile.outputs[style]!.inputs)
  const known = new Set(styles.flatMap(inputsOf))
  for (const [, { entryPoint, cssBundle }] of outputs)
    for (const input of cssBundle === undefined ? [] : inputsOf(cssBundle))
      if (!known.has(input)) throw new Error(`${entryPoint} is loaded later and imports ${input}`)
  return { files: files.filter(({ name }) => name.endsWith('.js') || styles.includes(name)), pages }
}

interface PageFile {
  readonly name: string
  readonly text: string
  /** Compressed, in base64. */
  readonly br: string
  readonly gzip: string
}

interface PageParts {
  readonly script: string
  readonly style: string
  /** What the script cannot begin without. */
  readonly chunks: readonly string[]
}

function chunksOf(script: string, metafile: Metafile, found = new Set<string>()): string[] {
  for (const { path, kind } of metafile.outputs[script]!.imports) {
    if (kind !== 'import-statement' || found.has(path)) continue
    found.add(path)
    chunksOf(path, metafile, found)
  }
  return [...found]
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
  /** Every file of the pages, and which of them each page begins with. */
  'virtual:page-assets': async (minify) => {
    const built = await pageFiles(minify)
    const files = built.files.map(({ name, br, gzip }) => ({ name, br, gzip }))
    return `export const files = ${JSON.stringify(files)}\nexport const pages = ${JSON.stringify(built.pages)}\n`
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

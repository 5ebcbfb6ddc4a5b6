import eslint from '@eslint/js'
import { importX } from 'eslint-plugin-import-x'
import tseslint from 'typescript-eslint'

/** The folders of src, lowest first: a file imports from its own folder and from those before it. */
const LAYERS = [
  ['errors'],
  ['system'],
  ['crypto'],
  ['protocol'],
  ['config'],
  ['store'],
  ['transport'],
  ['server', 'web', 'tor'],
  ['backup'],
  ['app'],
  ['cli'],
]

/** The same for the folders of src/tor. */
const TOR_LAYERS = [['control'], ['onion'], ['process'], ['check'], ['supervisor'], ['setup']]

/** One zone per folder, closed to the folders beside and above it. */
function zones(layers, base) {
  return layers.flatMap((layer, height) =>
    layer
      .filter((folder) => folder !== layers.at(-1)?.at(-1))
      .map((folder) => ({
        target: `${base}/${folder}`,
        from: layers
          .slice(height)
          .flat()
          .filter((other) => other !== folder)
          .map((other) => `${base}/${other}`),
        message: `${base}/${folder} may not import from here: see the layers in docs/architecture.md.`,
      })),
  )
}

const importRules = {
  'import-x/no-cycle': 'error',
  'import-x/no-restricted-paths': [
    'error',
    {
      basePath: import.meta.dirname,
      zones: [
        ...zones(LAYERS, 'src'),
        ...zones(TOR_LAYERS, 'src/tor'),
        {
          target: LAYERS.flat()
            .filter((folder) => folder !== 'tor')
            .map((folder) => `src/${folder}`),
          from: 'src/tor',
          except: ['./index.ts'],
          message: 'Other layers enter src/tor through its index.ts.',
        },
      ],
    },
  ],
}

export default tseslint.config(
  { ignores: ['dist', 'dist-bench', 'node_modules', 'coverage', 'data', 'test/tor-network/tor-network'] },
  eslint.configs.recommended,
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    rules: {
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true, allowBoolean: true }],
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/consistent-type-definitions': ['error', 'interface'],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
    },
  },
  {
    files: ['src/**/*.ts'],
    plugins: { 'import-x': importX },
    settings: {
      'import-x/resolver': { typescript: true },
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
    },
    rules: importRules,
  },
  { files: ['**/*.{js,mjs}'], languageOptions: { globals: { process: 'readonly', console: 'readonly' } } },
  {
    files: ['src/web/media/*.js'],
    languageOptions: {
      globals: Object.fromEntries(
        [
          ...['addEventListener', 'document', 'fetch', 'getComputedStyle', 'location', 'matchMedia', 'navigator'],
          ...['HTMLCanvasElement', 'HTMLDetailsElement', 'HTMLElement', 'HTMLInputElement', 'setInterval'],
        ].map((name) => [name, 'readonly']),
      ),
    },
  },
)

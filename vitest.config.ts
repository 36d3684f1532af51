import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['{kernel,boundary,engine,clients,tools,test,bench,examples}/**/*.test.ts'],
    exclude: ['**/node_modules/**', '**/dist/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
})

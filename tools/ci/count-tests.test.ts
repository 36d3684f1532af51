import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it } from 'vitest'

const program = join(import.meta.dirname, 'count-tests.mjs')

function count(summary: object | undefined, exitCode: number): string {
  const folder = mkdtempSync(join(tmpdir(), 'countersign-count-'))
  try {
    const file = join(folder, 'vitest.json')
    if (summary !== undefined) writeFileSync(file, JSON.stringify(summary))
    return execFileSync(process.execPath, [program, file, String(exitCode)], { encoding: 'utf8' })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const passedFile = { status: 'passed', assertionResults: [{ status: 'passed' }] }

it.each([
  [
    'all pass',
    { numPassedTests: 7, numFailedTests: 0, testResults: [passedFile] },
    0,
    '7 passed, 0 failed\n',
  ],
  [
    'a test fails',
    {
      numPassedTests: 6,
      numFailedTests: 1,
      testResults: [{ status: 'failed', assertionResults: [{ status: 'failed' }] }],
    },
    1,
    '6 passed, 1 failed\n',
  ],
  [
    'a file does not load',
    {
      numPassedTests: 7,
      numFailedTests: 0,
      testResults: [passedFile, { status: 'failed', assertionResults: [] }],
    },
    1,
    '7 passed, 1 failed\n',
  ],
  [
    'an error outside of tests',
    { numPassedTests: 7, numFailedTests: 0, testResults: [passedFile] },
    1,
    '7 passed, 1 failed\n',
  ],
  ['nothing ran', undefined, 1, '0 passed, 1 failed\n'],
])('%s', (_, summary, exitCode, wanted) => {
  expect(count(summary, exitCode)).toBe(wanted)
})

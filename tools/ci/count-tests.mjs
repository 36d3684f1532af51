// Prints "N passed, N failed" from vitest's JSON summary. Plain JavaScript: it also reports when nothing was installed.
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

/** A file that fails before its first test, and a run that fails outside of any, count as one failure each. */
export function countTests(summaryText, exitCode) {
  let passed = 0
  let failed = 0
  if (summaryText !== undefined) {
    const summary = JSON.parse(summaryText)
    passed = summary.numPassedTests
    failed = summary.numFailedTests
    for (const { status, assertionResults } of summary.testResults) {
      if (status === 'failed' && !assertionResults.some((test) => test.status === 'failed')) failed++
    }
  }
  if (exitCode !== 0 && failed === 0) failed = 1
  return `${passed} passed, ${failed} failed`
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [file = '', exitCode = '1'] = process.argv.slice(2)
  let text
  try {
    text = readFileSync(file, 'utf8')
  } catch {
    // npm test stopped before vitest wrote its summary.
  }
  console.log(countTests(text, Number(exitCode)))
}

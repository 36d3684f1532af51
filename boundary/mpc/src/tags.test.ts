import { expect, it } from 'vitest'
import { listFullTags, protocolVersion, tagPrefix } from './tags.ts'

it('no two hashes share a tag', () => {
  const tags = listFullTags()
  expect(tags.length).toBeGreaterThan(30)
  expect(new Set(tags).size).toBe(tags.length)
})

it('every tag is ASCII under the one prefix, and short enough for RFC 9380', () => {
  for (const tag of listFullTags()) {
    expect(tag).toMatch(/^countersign\/dkls\/v1\/[a-zA-Z0-9/:_-]+$/)
    expect(tag.length).toBeLessThanOrEqual(255)
  }
})

it('the version string names every width', () => {
  expect(tagPrefix).toBe('countersign/dkls/v1/')
  expect(protocolVersion).toBe('countersign/dkls/v1/kappa128/sigma128/xi512/rho1')
})

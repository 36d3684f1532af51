import { describe, expect, it } from 'vitest'
import { checkActive, isActive, subjectOf } from './credential-status.ts'
import { codeOf } from './testing/signed-request.ts'

const expiresAt = '2026-11-21T12:00:00.000Z'
const endMs = Date.parse(expiresAt)
const id = `cred_${'1'.repeat(32)}`

describe('isActive', () => {
  it('is so until the millisecond of its end, and never once revoked', () => {
    expect(isActive({ status: 'active' }, endMs)).toBe(true)
    expect(isActive({ status: 'active', expiresAt }, endMs - 1)).toBe(true)
    expect(isActive({ status: 'active', expiresAt }, endMs)).toBe(false)
    expect(isActive({ status: 'revoked' }, 0)).toBe(false)
    expect(isActive({ status: 'revoked', expiresAt }, endMs - 1)).toBe(false)
  })

  it('is not so where the end cannot be read', () => {
    expect(isActive({ status: 'active', expiresAt: 'soon' }, 0)).toBe(false)
  })

  it('checkActive says which of the two it is', () => {
    expect(codeOf(() => checkActive({ id, status: 'active', expiresAt }, endMs - 1))).toBe('none')
    expect(codeOf(() => checkActive({ id, status: 'active', expiresAt }, endMs))).toBe(
      'WIRE_CREDENTIAL_EXPIRED',
    )
    expect(codeOf(() => checkActive({ id, status: 'revoked', expiresAt }, endMs))).toBe(
      'WIRE_CREDENTIAL_REVOKED',
    )
  })
})

describe('subjectOf', () => {
  it('is the first id of a chain of rotations', () => {
    expect(subjectOf({ id })).toBe(id)
    expect(subjectOf({ id, subject: 'cred_first' })).toBe('cred_first')
  })
})

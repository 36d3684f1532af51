import { type ErrorCatalogue, errorsOf } from '@countersign/bytes'

export const policyErrors = {
  POLICY_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A policy file breaks its schema, contradicts itself, or holds a condition that could never apply.',
    fix: 'Correct the value at details.path; docs/policy.md and docs/policy.schema.json describe every field.',
  },
  POLICY_TOO_LARGE: {
    status: 413,
    retry: 'after-fix',
    summary: 'A policy file, or a list in it, is longer than is allowed.',
    fix: 'Split the policy, or drop rules and list entries that are no longer needed.',
  },
  POLICY_BOOK_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'An address book breaks its schema, names an address twice, or holds what is no address.',
    fix: 'Correct the value at details.path; docs/policy.md describes the form of an address book.',
  },
  POLICY_FACT_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary: 'A price or a simulation that was handed in is not in the form of a fact.',
    fix: 'Correct the value at details.path; docs/policy.md describes prices and simulations.',
  },
  POLICY_TEST_INVALID: {
    status: 400,
    retry: 'after-fix',
    summary:
      'A file of policy tests breaks its schema, or a case describes a request that cannot be decoded.',
    fix: 'Correct the value at details.path; docs/policy.md describes test files.',
  },
  POLICY_REFUSED: {
    status: 403,
    retry: 'after-fix',
    summary: 'The policy does not permit what the bytes would do; nothing was signed.',
    fix: 'Read the reasons in details.decision: change the request, wait for a window to free up, or ask the admins to change the policy.',
  },
} as const satisfies ErrorCatalogue

export const policyError = errorsOf(policyErrors)

export * from './address-book.ts'
export * from './blast-radius.ts'
export * from './builder.ts'
export * from './catalogue.ts'
export * from './decision.ts'
export * from './decision-json.ts'
export * from './evaluate.ts'
export * from './exposure.ts'
export * from './fact.ts'
export * from './facts-needed.ts'
export * from './granted-layer.ts'
export * from './lint.ts'
export * from './loosens.ts'
export * from './policy.ts'
export * from './policy-diff.ts'
export * from './policy-test.ts'
export * from './reasons.ts'
export {
  type CalendarUnit,
  type LimitSubject,
  type PolicyDocument,
  policyJsonSchema,
  policyLimits,
  policySchema,
} from './schema.ts'
export { intentOfTestRequest, parseTestRequest, type TestRequest } from './test-request.ts'
export type { Period } from './time-zone.ts'

/** Every code that a decision's reasons can carry, with one sentence for docs/errors.md. */
export const policyReasons = {
  POLICY_NONE: 'No policy is attached to this layer, and without one everything is refused.',
  POLICY_NO_EFFECTS: 'The bytes have no effect that a rule could permit.',
  POLICY_NO_RULE: 'No permit rule of the policy is about this kind of effect.',
  POLICY_FORBIDDEN: 'A forbid rule matches, and forbid wins over every permit.',
  POLICY_WHO: 'The rule is about other credentials or roles than the one that asks.',
  POLICY_OPERATION: 'The rule is about other operations than the one asked for.',
  POLICY_CHAIN: 'The chain is not listed in the rule, or the bytes name none.',
  POLICY_ASSET: 'The asset is not listed in the rule.',
  POLICY_RECIPIENT: 'The recipient is not listed in the rule.',
  POLICY_CONTRACT: 'The contract is not listed in the rule, or the bytes name none.',
  POLICY_SPENDER: 'The spender of the approval is not listed in the rule.',
  POLICY_DELEGATE: 'The delegate is not listed in the rule.',
  POLICY_FROM: 'The tokens are those of an account that the rule does not name.',
  POLICY_SELECTOR: 'The function selector is not listed in the rule.',
  POLICY_FUNCTION: 'The call is not to the function that the rule names, or its arguments do not decode.',
  POLICY_ARGUMENT: 'An argument of the call does not satisfy the rule.',
  POLICY_TYPED_DATA: 'The typed data, or one of its fields, does not satisfy the rule.',
  POLICY_AMOUNT: 'The amount of this one effect is outside the bounds of the rule.',
  POLICY_EXPIRY: 'The approval ends later than the rule allows, or never.',
  POLICY_TEXT: 'The message does not satisfy the rule.',
  POLICY_DIGEST: 'The hash is not listed in the rule.',
  POLICY_WINDOW: 'The amount is more than what is left in the window of the rule.',
  POLICY_COUNT: 'The rule has permitted as many requests as its window allows.',
  POLICY_LIMIT_ASSET: 'The rule limits amounts, but of other assets than this effect moves.',
  POLICY_LIMIT_UNBOUNDED: 'The effect has no greatest amount, so a limited rule cannot permit it.',
  POLICY_COMBINATION:
    'The effects of one request share windows in more ways than are tried; smaller requests will be decided.',
  POLICY_MORE: 'More rules do not permit the effect than are listed.',
} as const

export type PolicyReasonCode = keyof typeof policyReasons

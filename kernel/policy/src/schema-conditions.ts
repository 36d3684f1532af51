import Type from 'typebox'
import {
  addressItem,
  addressOrNoneItem,
  assetItem,
  currencyItem,
  decimal,
  duration,
  fieldCondition,
  fieldConditions,
  list,
  name,
  oneOf,
  plainAddressItem,
  policyLimits,
  strict,
  strictNonEmpty,
  value,
} from './schema-terms.ts'

const functionCondition = Type.Object(
  {
    abi: Type.String({
      description: 'The function, for example "function transfer(address to, uint256 amount)".',
      minLength: 1,
      maxLength: 1_000,
    }),
    args: Type.Optional(
      fieldConditions(
        'Conditions on arguments by name; a dot reaches into tuples ("order.maker") and arrays ("path.0", every element "path.*", "path.length").',
      ),
    ),
  },
  { ...strict, description: 'The call is to this function and its arguments satisfy the conditions.' },
)

const typedDataCondition = Type.Object(
  {
    primaryType: Type.Optional(
      list(
        Type.String({ description: 'Name of an EIP-712 struct.', maxLength: 256 }),
        'EIP-712 primary types.',
        100,
      ),
    ),
    domain: Type.Optional(fieldConditions('Conditions on fields of the EIP-712 domain.')),
    message: Type.Optional(
      fieldConditions(
        'Conditions on fields of the message; a dot reaches into structs and arrays ("legs.0", every element "legs.*", "legs.length").',
      ),
    ),
  },
  { ...strictNonEmpty, description: 'Conditions on EIP-712 typed data.' },
)

const amountCondition = Type.Object(
  {
    min: Type.Optional(decimal('Least amount, inclusive, in smallest units.')),
    max: Type.Optional(decimal('Greatest amount, inclusive, in smallest units.')),
  },
  { ...strictNonEmpty, description: 'Bounds on the amount of one effect, in smallest units of its asset.' },
)

const valueCondition = Type.Object(
  {
    currency: currencyItem,
    min: Type.Optional(value('Least value, inclusive, in whole units of the currency, for example "99.50".')),
    max: Type.Optional(value('Greatest value, inclusive, in whole units of the currency.')),
  },
  {
    additionalProperties: false,
    minProperties: 2,
    description: 'Bounds on the worth of one effect by the signed prices that the policy’s "prices" accepts.',
  },
)

const minReceived = Type.Object(
  {
    amount: Type.Optional(decimal('Least amount that comes in, in smallest units of the received asset.')),
    rate: Type.Optional(
      Type.Object(
        {
          received: decimal('Smallest units of the received asset …'),
          spent: decimal('… for this many smallest units of the spent asset.'),
        },
        {
          ...strict,
          description:
            'Least exchange rate, compared exactly: received amount × "spent" must be at least spent amount × "received". Needs "asset" and "received" with one asset each.',
        },
      ),
    ),
  },
  { ...strictNonEmpty, description: 'What a swap must bring at least. Permit rules only.' },
)

const enforcers = Type.Object(
  {
    allowed: Type.Optional(
      list(addressItem, 'Every caveat’s enforcer must be one of these.', policyLimits.caveatsMax),
    ),
    required: Type.Optional(
      list(
        Type.Object(
          {
            enforcer: plainAddressItem,
            terms: Type.Optional(
              Type.String({
                description: 'The exact terms, 0x-hexadecimal.',
                pattern: '^0x([0-9a-fA-F]{2})*$',
              }),
            ),
          },
          { ...strict, description: 'A caveat.' },
        ),
        'Each of these caveats must be there.',
        policyLimits.caveatsMax,
      ),
    ),
  },
  { ...strictNonEmpty, description: 'Caveats of an ERC-7710 delegation. Permit rules only.' },
)

export const conditions = Type.Object(
  {
    chain: Type.Optional(
      list(
        Type.String({ description: 'CAIP-2 chain id, for example eip155:8453.', maxLength: 64 }),
        'Chains.',
        1_000,
      ),
    ),
    asset: Type.Optional(list(assetItem, 'Assets that move, are spent, approved, or pay the fee.')),
    account: Type.Optional(
      list(
        addressItem,
        'The account that acts. Without this condition a permit rule covers only what the wallet itself does; a forbid rule covers every account.',
      ),
    ),
    recipient: Type.Optional(list(addressItem, 'Who receives the coins, tokens or shares.')),
    contract: Type.Optional(
      list(
        addressItem,
        'The contract that is called: the token (on Solana the mint), the router, the vault, the batch contract, the delegation manager, or the verifying contract of typed data.',
      ),
    ),
    spender: Type.Optional(list(addressItem, 'Who may spend by the approval.')),
    delegate: Type.Optional(
      list(addressItem, 'Whose code an EIP-7702 delegation installs; who may act by an ERC-7710 delegation.'),
    ),
    delegator: Type.Optional(list(addressItem, 'For whom the delegate of an ERC-7710 delegation may act.')),
    from: Type.Optional(
      list(
        addressItem,
        'Whose tokens move. Without this condition a permit rule covers only tokens of the account that acts.',
      ),
    ),
    owner: Type.Optional(
      list(
        addressOrNoneItem,
        'Whose vault shares are burned (without this condition a permit rule covers only those of the account that acts); whose a new token account is.',
      ),
    ),
    program: Type.Optional(
      list(addressItem, 'The Solana program: of the instruction, or that owns the new account.'),
    ),
    instruction: Type.Optional(
      list(
        Type.String({ description: 'Name of an instruction.', minLength: 1, maxLength: 100 }),
        'Instructions of known programs, by name.',
        1_000,
      ),
    ),
    entryPoint: Type.Optional(list(addressItem, 'Entry point of a user operation.')),
    sender: Type.Optional(list(addressItem, 'Smart account of a user operation.')),
    paymaster: Type.Optional(list(addressOrNoneItem, 'Paymaster of a user operation, or "none".')),
    factory: Type.Optional(list(addressOrNoneItem, 'Factory that deploys the account, or "none".')),
    safe: Type.Optional(list(addressItem, 'The Safe.')),
    operation: Type.Optional(
      list(oneOf(['call', 'delegatecall'], 'How the Safe calls.'), 'How the Safe calls.', 2),
    ),
    enforcers: Type.Optional(enforcers),
    address: Type.Optional(
      list(
        addressItem,
        'The Solana account: the new one, the stake account, or the one whose authority changes.',
      ),
    ),
    mint: Type.Optional(list(addressOrNoneItem, 'Mint of a new token account, or "none".')),
    authority: Type.Optional(list(name('Kind of authority.'), 'Which authority changes hands.', 100)),
    newAuthority: Type.Optional(list(addressOrNoneItem, 'Who gets the authority, or "none".')),
    action: Type.Optional(
      list(
        oneOf(
          ['initialize', 'delegate', 'deactivate', 'withdraw', 'authorize', 'split', 'merge', 'lockup'],
          'What is done with the stake.',
        ),
        'What is done with the stake.',
        8,
      ),
    ),
    counterparty: Type.Optional(
      list(addressOrNoneItem, 'Vote account, new authority, destination or other stake account, or "none".'),
    ),
    selector: Type.Optional(
      list(
        Type.String({ description: 'First four bytes of the calldata.', pattern: '^0x[0-9a-fA-F]{8}$' }),
        'Function selectors.',
      ),
    ),
    function: Type.Optional(functionCondition),
    typedData: Type.Optional(typedDataCondition),
    amount: Type.Optional(amountCondition),
    unit: Type.Optional(
      list(oneOf(['assets', 'shares'], 'Unit of a vault’s amount.'), 'What the amount of a vault counts.', 2),
    ),
    value: Type.Optional(valueCondition),
    received: Type.Optional(list(assetItem, 'Assets that a swap brings.')),
    minReceived: Type.Optional(minReceived),
    expiresWithin: Type.Optional(
      duration(
        'The approval, or the swap’s deadline, must end by itself no later than this long from now, for example "30m". Permit rules only.',
      ),
    ),
    text: Type.Optional(fieldCondition),
    digest: Type.Optional(
      list(
        Type.String({ description: '32 bytes.', pattern: '^0x[0-9a-fA-F]{64}$' }),
        'Exact hashes: of a raw digest, of a message, of a user operation, or of deployed init code.',
      ),
    ),
    field: Type.Optional(
      fieldConditions(
        'Conditions on decoded fields by the names that docs/policy.md lists; a dot reaches inside ("accounts.*.address").',
      ),
    ),
  },
  { ...strictNonEmpty, description: 'Conditions on the effect; all of them must hold.' },
)

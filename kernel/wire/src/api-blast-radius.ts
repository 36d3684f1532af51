import Type from 'typebox'
import { limitQuery } from './api.ts'
import { countSchema, jsonObjectSchema, nullable, strict } from './api-values.ts'

export const blastRadiusQuery = Type.Object(
  {
    owned: Type.String({
      minLength: 1,
      maxLength: 4_000,
      description:
        'What the attacker has, comma-separated: `engine`, `signer`, and ids or names of credentials.',
    }),
    walletId: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9_-]{1,80}$', description: 'One wallet; all of them where absent.' }),
    ),
    cursor: Type.Optional(
      Type.String({ pattern: '^[A-Za-z0-9_.-]{1,128}$', description: '`nextCursor` of the page before.' }),
    ),
    limit: limitQuery,
  },
  strict,
)
const ruleOfLayer = Type.Object({ layer: Type.String(), rule: Type.String() })
export const blastRadiusAnswer = Type.Object({
  owned: Type.Array(Type.String()),
  assumptions: Type.Array(Type.String({ description: 'What the attacker has with the processes.' })),
  wallets: Type.Array(
    Type.Object({
      walletId: Type.String(),
      address: Type.String(),
      bounded: Type.Boolean({ description: 'false: something in `unbounded` has no limit.' }),
      assets: Type.Array(
        Type.Object({
          asset: Type.String(),
          bounds: Type.Array(
            Type.Object({
              amountMinor: Type.String({ description: 'At most this, in smallest units, in any interval.' }),
              windowMs: countSchema,
              rules: Type.Array(ruleOfLayer, { description: 'Whose limits add up to it.' }),
            }),
          ),
        }),
      ),
      recipients: Type.Union([Type.Literal('any'), Type.Array(Type.String())]),
      unbounded: Type.Array(jsonObjectSchema),
      notCounted: Type.Array(Type.Intersect([ruleOfLayer, Type.Object({ why: Type.String() })])),
      lines: Type.Array(Type.String({ description: 'The same for people.' })),
    }),
  ),
  nextCursor: nullable(Type.String({ description: 'null on the last page.' })),
})

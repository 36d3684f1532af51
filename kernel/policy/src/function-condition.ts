import { decodeHex, isCountersignError } from '@countersign/bytes'
import {
  type AbiArguments,
  type AbiFunction,
  type AbiParameter,
  type AbiType,
  decodeArguments,
  isDecodedEverywhere,
  parseAbiFunction,
} from '@countersign/intent'
import type { CompileContext, Condition, Failure } from './condition.ts'
import { compileFieldCondition, type FieldType } from './field-condition.ts'
import { explainPath, judgePath, type PathTest, parseFieldPath } from './field-path.ts'
import type { ConditionsDocument } from './schema.ts'

type DecodeCall = (calldata: `0x${string}`) => AbiArguments | undefined

/**
 * One decoder per function of a policy. Each keeps its last answer: a hundred rules on one function decode the
 * same call once.
 */
export class FunctionDecoders {
  readonly #byParameters = new Map<string, DecodeCall>()

  /** @returns a function that gives undefined where the calldata is no call of `fn`. */
  decoderOf(fn: AbiFunction): DecodeCall {
    // Parameter names are part of the answer, so of the key too.
    const key = `${fn.signature} ${namesOf(fn.inputs)}`
    const known = this.#byParameters.get(key)
    if (known !== undefined) return known
    let last: { readonly calldata: string; readonly args: AbiArguments | undefined } | undefined
    const decode: DecodeCall = (calldata) => {
      if (last?.calldata !== calldata) last = { calldata, args: tryDecode(fn, calldata) }
      return last.args
    }
    this.#byParameters.set(key, decode)
    return decode
  }
}

export function compileFunctionCondition(
  { abi, args }: NonNullable<ConditionsDocument['function']>,
  context: CompileContext,
): Condition {
  const fn = context.parsed('when.function.abi', () => parseAbiFunction(abi))
  // No contract-call effect ever has its selector, so a condition on it would mislead its author.
  if (isDecodedEverywhere(fn.selector)) {
    context.invalid(
      'when.function.abi',
      `${fn.signature} is decoded as an effect of its own kind (a token-transfer, an approval, a batch, a swap, a vault's), never as contract-call: write the rule on that effect, with its own conditions`,
    )
  }
  const tests = Object.entries(args ?? {}).map(([name, condition]): PathTest => {
    const path = parseFieldPath(name)
    const place = `when.function.args["${name}"]`
    const type = context.parsed(place, () => argumentType(fn, path.segments))
    const test = context.parsed(place, () => compileFieldCondition(condition, type))
    for (const book of test.books) context.books.add(book)
    return { path, test }
  })
  const decode = context.decoders.decoderOf(fn)
  const isPermit = context.action === 'permit'
  return {
    name: 'function',
    index: { field: 'selector', values: [fn.selector] },
    judge: (effect, facts) => {
      if (effect.kind !== 'contract-call') return undefined
      if (effect.selector !== fn.selector) return false
      const values = decode(effect.calldata)
      if (values === undefined) return undefined
      let verdict: boolean | undefined = true
      for (const test of tests) {
        const judged = judgePath(values, test, { isPermit, effect, facts })
        if (judged === false) return false
        if (judged === undefined) verdict = undefined
      }
      return verdict
    },
    explain: (effect, facts) => {
      if (effect.kind !== 'contract-call') return []
      if (effect.selector !== fn.selector) {
        const message = `the call has selector ${effect.selector}, and ${fn.signature} has ${fn.selector}`
        return [{ code: 'POLICY_FUNCTION', message }]
      }
      const values = decode(effect.calldata)
      if (values === undefined) {
        return [{ code: 'POLICY_FUNCTION', message: `the arguments do not decode as ${fn.signature}` }]
      }
      const failures: Failure[] = []
      const judging = { isPermit, effect, facts }
      for (const test of tests) {
        if (judgePath(values, test, judging) === true) continue
        failures.push({ code: 'POLICY_ARGUMENT', message: `argument ${explainPath(values, test, judging)}` })
      }
      return failures
    },
  }
}

/** Follows `order.maker`, `path.0`, `path.*` and `path.length` through the signature, so that a mistyped name is found when it is written. */
function argumentType(fn: AbiFunction, path: readonly string[]): FieldType {
  let parameters: readonly AbiParameter[] | undefined = fn.inputs
  let type: AbiType | undefined
  for (const segment of path) {
    if (type?.kind === 'array') {
      if (segment === 'length' && segment === path.at(-1)) return 'integer'
      if (
        segment !== '*' &&
        (!/^(?:0|[1-9]\d{0,4})$/.test(segment) ||
          Number(segment) >= (type.length ?? Number.POSITIVE_INFINITY))
      ) {
        throw new ArgumentPathError(`${JSON.stringify(segment)} is no index of ${type.canonical}`)
      }
      type = type.of
    } else {
      type = parameters?.find((parameter) => parameter.name === segment)?.type
      if (type === undefined) {
        throw new ArgumentPathError(`${fn.signature} has no argument ${JSON.stringify(path.join('.'))}`)
      }
    }
    parameters = type.kind === 'tuple' ? type.components : undefined
  }
  switch (type?.kind) {
    case 'uint':
    case 'int':
      return 'integer'
    case 'bool':
      return 'boolean'
    case 'address':
      return 'address'
    case 'bytes':
    case 'bytesN':
      return 'bytes'
    case 'string':
      return 'text'
    default:
      throw new ArgumentPathError(
        `${JSON.stringify(path.join('.'))} is a ${type?.canonical}: name one of its members, as in "path.0", or every one, as in "path.*"`,
      )
  }
}

export class ArgumentPathError extends Error {}

function tryDecode(fn: AbiFunction, calldata: `0x${string}`): AbiArguments | undefined {
  try {
    return decodeArguments(fn, decodeHex(calldata))
  } catch (error) {
    if (isCountersignError(error)) return undefined
    throw error
  }
}

function namesOf(parameters: readonly AbiParameter[]): string {
  return parameters.map(({ name, type }) => `${name}:${typeNames(type)}`).join(',')
}

function typeNames(type: AbiType): string {
  if (type.kind === 'tuple') return `(${namesOf(type.components)})`
  return type.kind === 'array' ? typeNames(type.of) : ''
}

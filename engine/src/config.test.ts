import { describe, expect, it } from 'vitest'
import { openNonceMemory } from './authenticate.ts'
import { parseEngineConfig } from './config.ts'
import { encodeCursor, pageOf, parseCursor } from './cursor.ts'

const good = {
  listen: { port: 0 },
  signerSocket: 'run/signer.sock',
  dataDir: 'data',
  chains: [{ id: 'eip155:31337', rpc: 'http://127.0.0.1:8545', confirmations: 1 }],
}

describe('the configuration', () => {
  it('resolves paths from its own folder and fills in defaults', () => {
    const config = parseEngineConfig(good, {}, '/etc/countersign')
    expect(config).toMatchObject({
      listen: { host: '127.0.0.1', port: 0 },
      signerSocket: '/etc/countersign/run/signer.sock',
      dataDir: '/etc/countersign/data',
      databaseUrl: undefined,
      logLevel: 'info',
    })
    expect(parseEngineConfig(good, { COUNTERSIGN_DATABASE_URL: 'postgres://h/d' }, '/').databaseUrl).toBe(
      'postgres://h/d',
    )
  })

  it.each([
    ['an unknown setting', { ...good, rpcUrl: 'x' }],
    ['an unknown setting of a chain', { ...good, chains: [{ ...good.chains[0], gas: 1 }] }],
    ['no confirmations', { ...good, chains: [{ ...good.chains[0], confirmations: 0 }] }],
    ['a chain twice', { ...good, chains: [good.chains[0], good.chains[0]] }],
    ['a chain that is no CAIP-2', { ...good, chains: [{ ...good.chains[0], id: '1' }] }],
    ['a port that is none', { ...good, listen: { port: 65_536 } }],
    ['nothing', null],
  ])('refuses %s', (_what, value) => {
    expect(() => parseEngineConfig(value, {}, '/')).toThrow(
      expect.objectContaining({ code: 'ENGINE_CONFIG_INVALID' }),
    )
  })

  it('does not repeat a value that may hold a password', () => {
    const secret = 'mysql://user:hunter2@host/db'
    expect(() => parseEngineConfig({ ...good, databaseUrl: secret }, {}, '/')).toThrow(
      expect.not.objectContaining({ message: expect.stringContaining('hunter2') }),
    )
  })
})

describe('cursors', () => {
  it('hold only for their list, unchanged', () => {
    const cursor = encodeCursor('wallets', 42)
    expect(parseCursor('wallets', cursor)).toBe(42)
    for (const wrong of [
      encodeCursor('transactions', 42),
      `${cursor}A`,
      'AAAA',
      '',
      encodeCursor('wallets', 0),
    ]) {
      expect(() => parseCursor('wallets', wrong)).toThrow(
        expect.objectContaining({ code: 'ENGINE_CURSOR_INVALID' }),
      )
    }
    expect(pageOf('wallets', { limit: '500', cursor })).toEqual({ limit: 100, before: 42 })
  })
})

describe('nonces of reads', () => {
  it('count once until they expire', () => {
    let nowMs = 1_000_000
    const memory = openNonceMemory(() => nowMs)
    const nonce = { key: 'cred_1/n', expiresS: 1_100 }
    memory.take([nonce])
    expect(() => memory.take([{ key: 'cred_1/other', expiresS: 1_100 }, nonce])).toThrow(
      expect.objectContaining({ code: 'WIRE_NONCE_REPLAYED' }),
    )
    memory.take([{ key: 'cred_1/other', expiresS: 1_100 }])
    nowMs = 2_000_000
    memory.take([{ key: 'cred_2/n', expiresS: 2_100 }])
  })
})

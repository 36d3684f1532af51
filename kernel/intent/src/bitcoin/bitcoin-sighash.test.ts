import { decodeHex, encodeHex, type Hex } from '@countersign/bytes'
import { describe, expect, it } from 'vitest'
import { addressOfScript, p2trScript, taprootOutputKey } from './bitcoin-script.ts'
import { sighashContext } from './bitcoin-sighash.ts'
import { deriveChild } from './own-keys.ts'
import { decodeTransaction } from './transaction-bytes.ts'

const bytes = (hex: string) => decodeHex(`0x${hex}` as Hex)

describe('BIP-143', () => {
  it('native P2WPKH (github.com/bitcoin/bips, bip-0143, BSD-2-Clause)', () => {
    const transaction = decodeTransaction(
      bytes(
        '0100000002fff7f7881a8099afa6940d42d1e7f6362bec38171ea3edf433541db4e4ad969f0000000000eeffffffef51e1b804cc89d182d279655c3aa89e815b1b309fe287d9b2b55d57b90ec68a0100000000ffffffff02202cb206000000001976a9148280b37df378db99f66f85c95a783a76ac7a6d5988ac9093510d000000001976a9143bde42dbee7e4dbe6a21b2d50ce2f0167faa815988ac11000000',
      ),
      'unsigned',
    )
    const spent = [
      { amountMinor: 625_000_000n, script: new Uint8Array(0) },
      { amountMinor: 600_000_000n, script: bytes('00141d0f172a0ecb48aee1be1f2687d2963ae33f71a1') },
    ]
    expect(encodeHex(sighashContext(transaction, spent).witnessV0(1))).toBe(
      '0xc37af31116d1b27caf68aae9e3ac82f1477929014d5b917657d0eb49478cb670',
    )
  })
})

describe('BIP-341', () => {
  // wallet-test-vectors.json of bip-0341, BSD-3-Clause: keyPathSpending.
  const transaction = decodeTransaction(
    bytes(
      '02000000097de20cbff686da83a54981d2b9bab3586f4ca7e48f57f5b55963115f3b334e9c010000000000000000d7b7cab57b1393ace2d064f4d4a2cb8af6def61273e127517d44759b6dafdd990000000000fffffffff8e1f583384333689228c5d28eac13366be082dc57441760d957275419a418420000000000fffffffff0689180aa63b30cb162a73c6d2a38b7eeda2a83ece74310fda0843ad604853b0100000000feffffffaa5202bdf6d8ccd2ee0f0202afbbb7461d9264a25e5bfd3c5a52ee1239e0ba6c0000000000feffffff956149bdc66faa968eb2be2d2faa29718acbfe3941215893a2a3446d32acd050000000000000000000e664b9773b88c09c32cb70a2a3e4da0ced63b7ba3b22f848531bbb1d5d5f4c94010000000000000000e9aa6b8e6c9de67619e6a3924ae25696bb7b694bb677a632a74ef7eadfd4eabf0000000000ffffffffa778eb6a263dc090464cd125c466b5a99667720b1c110468831d058aa1b82af10100000000ffffffff0200ca9a3b000000001976a91406afd46bcdfd22ef94ac122aa11f241244a37ecc88ac807840cb0000000020ac9a87f5594be208f8532db38cff670c450ed2fea8fcdefcc9a663f78bab962b0065cd1d',
    ),
    'unsigned',
  )
  const spent = (
    [
      [420000000n, '512053a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343'],
      [462000000n, '5120147c9c57132f6e7ecddba9800bb0c4449251c92a1e60371ee77557b6620f3ea3'],
      [294000000n, '76a914751e76e8199196d454941c45d1b3a323f1433bd688ac'],
      [504000000n, '5120e4d810fd50586274face62b8a807eb9719cef49c04177cc6b76a9a4251d5450e'],
      [630000000n, '512091b64d5324723a985170e4dc5a0f84c041804f2cd12660fa5dec09fc21783605'],
      [378000000n, '00147dd65592d0ab2fe0d0257d571abf032cd9db93dc'],
      [672000000n, '512075169f4001aa68f15bbed28b218df1d0a62cbbcf1188c6665110c293c907b831'],
      [546000000n, '5120712447206d7a5238acc7ff53fbe94a3b64539ad291c7cdbc490b7577e4b17df5'],
      [588000000n, '512077e30a5522dd9f894c3f8b8bd4c4b2cf82ca7da8a3ea6a239655c39c050ab220'],
    ] as const
  ).map(([amountMinor, script]) => ({ amountMinor, script: bytes(script) }))

  it('the types that are signed here: default and all', () => {
    const digests = sighashContext(transaction, spent)
    expect(encodeHex(digests.taproot(4, 0))).toBe(
      '0x4f900a0bae3f1446fd48490c2958b5a023228f01661cda3496a11da502a7f7ef',
    )
    expect(encodeHex(digests.taproot(3, 1))).toBe(
      '0xbf013ea93474aa67815b1b6cc441d23b64fa310911d991e713cd34c7f5d46669',
    )
  })

  it('output keys without scripts', () => {
    expect(
      encodeHex(taprootOutputKey(bytes('d6889cb081036e0faefa3a35157ad71086b123b2b144b649798b494c300a961d'))),
    ).toBe('0x53a1f6e454df1aa2776a2814a721372d6258050de330b3c6d10ee8f4e0dda343')
  })
})

describe('BIP-86 and BIP-32', () => {
  it('the first receiving and change addresses of BIP-86’s account', () => {
    // m/86'/0'/0' of "abandon … about": xpub6BgBgsespWvERF3LHQu6CnqdvfEvtMcQjYrcRzx53QJjSxarj2afYWcLteoGVky7D3UKDP9QyrLprQ3VCECoY49yfdDEHGCtMMj92pReUsQ
    const account = {
      publicKey: bytes('03418278a2885c8bb98148158d1474634097a179c642f23cf1cc04da629ac6f0fb'),
      chainCode: bytes('c61a8f27e98182314d2444da3e600eb5836ec8ad183c86c311f95df8082b18aa'),
    }
    const addressAt = (branch: number, index: number) =>
      addressOfScript(p2trScript(deriveChild(deriveChild(account, branch)!, index)!.publicKey), 'main')
    expect(addressAt(0, 0)).toBe('bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr')
    expect(addressAt(0, 1)).toBe('bc1p4qhjn9zdvkux4e44uhx8tc55attvtyu358kutcqkudyccelu0was9fqzwh')
    expect(addressAt(1, 0)).toBe('bc1p3qkhfews2uk44qtvauqyr2ttdsw7svhkl9nkm9s9c3x4ax5h60wqwruhk7')
  })
})

import { copyBytes, equalBytes } from './byte-writer.ts'
import { mpcError } from './catalogue.ts'
import type { PartyIndex } from './parties.ts'
import type { SuiteId } from './suites.ts'

export const frameVersion = 1
export const headerBytes = 41
/** What the header's length field can say. */
export const payloadBytesMax = 0xffff
export const frameBytesMax = headerBytes + payloadBytesMax
export const sessionIdBytes = 32
/** The bytes that all session ids of one session share, from its first round to its last. */
export const familyBytes = 4

/** Receiver of a frame that goes to everybody. */
export const broadcast = 0

export interface Frame {
  readonly suite: number
  readonly code: number
  readonly sender: PartyIndex
  /** 0 for a broadcast. */
  readonly receiver: PartyIndex | 0
  /** 32 bytes. */
  readonly session: Uint8Array
  readonly payload: Uint8Array
}

/** Header, then payload: docs/mpc-protocol.md, "Frames". */
export function encodeFrame({
  suite,
  code,
  sender,
  receiver,
  session,
  payload,
}: Frame & { suite: SuiteId }): Uint8Array {
  if (payload.length > payloadBytesMax)
    throw new Error('bug: a payload is longer than its length field can say')
  if (session.length !== sessionIdBytes) throw new Error('bug: a session id is 32 bytes')
  const bytes = new Uint8Array(headerBytes + payload.length)
  const view = new DataView(bytes.buffer)
  view.setUint8(0, frameVersion)
  view.setUint8(1, suite)
  view.setUint8(2, code)
  view.setUint16(3, sender)
  view.setUint16(5, receiver)
  bytes.set(session, 7)
  view.setUint16(39, payload.length)
  bytes.set(payload, headerBytes)
  return bytes
}

/**
 * Only the form: whether the frame belongs here is the inbox's to say. The payload is a copy.
 * @throws {CountersignError} MPC_VERSION_UNKNOWN, MPC_MALFORMED */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (!(bytes instanceof Uint8Array) || bytes.length < headerBytes) {
    throw mpcError('MPC_MALFORMED', `A frame has a header of ${headerBytes} bytes.`)
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, headerBytes)
  const version = view.getUint8(0)
  if (version !== frameVersion) {
    throw mpcError(
      'MPC_VERSION_UNKNOWN',
      `The frame has protocol version ${version}; this is ${frameVersion}.`,
    )
  }
  const length = view.getUint16(39)
  if (bytes.length !== headerBytes + length) {
    throw mpcError(
      'MPC_MALFORMED',
      `The frame says ${length} bytes of payload and has ${bytes.length - headerBytes}.`,
    )
  }
  const sender = view.getUint16(3)
  if (sender === 0) throw mpcError('MPC_MALFORMED', 'The frame has no sender.')
  return {
    suite: view.getUint8(1),
    code: view.getUint8(2),
    sender,
    receiver: view.getUint16(5),
    session: copyBytes(bytes.subarray(7, 39)),
    payload: copyBytes(bytes.subarray(headerBytes)),
  }
}

/**
 * The session id on the wire after round 1: the family of the start id, then 28 bytes of the session's hash.
 * A frame of another family is a stray of another session and harmless; one of this family with other bytes after it
 * shows that somebody told two stories in round 1.
 * @param start 32 bytes: the id of round 1. @param id 32 bytes: sid, sigid. */
export function wireSessionId(start: Uint8Array, id: Uint8Array): Uint8Array {
  const wire = new Uint8Array(sessionIdBytes)
  wire.set(start.subarray(0, familyBytes))
  wire.set(id.subarray(0, sessionIdBytes - familyBytes), familyBytes)
  return wire
}

export function isSameFamily(a: Uint8Array, b: Uint8Array): boolean {
  return equalBytes(a.subarray(0, familyBytes), b.subarray(0, familyBytes))
}

import { parseJson } from '@countersign/bytes'
import { parseAddressBook } from '@countersign/policy'
import { calls } from '@countersign/sdk'
import type { Command } from 'commander'
import { act, gather, hashNow, listItemsMax } from '../command.ts'
import { table } from '../output.ts'
import { readTextFile } from '../settings.ts'
import { reportChange } from './changed.ts'
import { executeOrWrite, type OutOption, outOption } from './quorum.ts'

export function addBookCommands(program: Command): void {
  const book = program.command('book').description('address books that policies name as @id')

  const check = book.command('check').argument('<file>').description('read a book as the signer would')
  act(check, ({ output }, _options: object, file: string) => {
    const { id, hash, addresses } = readBook(file)
    output.result({ valid: true, id, hash, entries: addresses.size }, () => [
      `${file} is a valid address book: ${id}, ${addresses.size} entries, hash ${hash}`,
    ])
    return undefined
  })

  const apply = book
    .command('apply')
    .argument('<file>')
    .option('--expected <hash>', 'the hash of what it replaces, or "none"; asked for where it is not given')
    .description('put a book in force; needs the admin quorum')
  outOption(apply)
  act(apply, async (context, options: OutOption & { expected?: string }, file: string) => {
    const { id, document } = readBook(file)
    const before = options.expected ?? (await hashNow(context.admins().books.get(id))) ?? 'none'
    const call = calls.putBook({ id, book: document, expected: before === 'none' ? null : before })
    const answer = await executeOrWrite(context, call, options)
    return reportChange(context, answer, (put) => [
      `${put.id} version ${put.version} is in force, ${put.entries} entries, hash ${put.hash}`,
    ])
  })

  const show = book
    .command('show')
    .argument('[id]', 'all of them where it is not given')
    .description('books in force')
  act(show, async ({ output, client }, _options: object, id: string | undefined) => {
    if (id !== undefined) {
      const found = await client().books.get(id)
      output.result(found, () => [
        `${found.id} version ${found.version}, hash ${found.hash}`,
        JSON.stringify(found.book, null, 2),
      ])
      return undefined
    }
    const books = await gather(client().books.list(), listItemsMax)
    output.result({ books }, () =>
      table(books.map((one) => [one.id, `v${one.version}`, `${one.entries} entries`, one.hash])),
    )
    return undefined
  })
}

/** @throws {CountersignError} POLICY_BOOK_INVALID, JSON_* */
function readBook(file: string) {
  return parseAddressBook(parseJson(readTextFile(file)))
}

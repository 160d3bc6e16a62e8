// UnixFS as the JavaScript implementation has it, for the interop tests. One command a run, the answer as lines of JSON:
//   unixfs.mjs import FOLDER BLOCKS OPTIONS   adds FOLDER, writes each block to BLOCKS/<cid>, prints {path, cid} for each file and folder
//   unixfs.mjs export BLOCKS CID              reads CID from BLOCKS and prints {path, type, sha256} for all that is in it
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { exporter, recursive } from 'ipfs-unixfs-exporter'
import { importer } from 'ipfs-unixfs-importer'
import { CID } from 'multiformats/cid'

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')
const sha256 = (bytes) => createHash('sha256').update(bytes).digest()

// Keeps what is put, also on the disk.
class FolderBlockstore extends MemoryBlockstore {
  constructor (folder) {
    super()
    this.folder = folder
    for (const name of readdirSync(folder)) super.put(CID.parse(name), readFileSync(join(folder, name)))
  }

  async put (cid, bytes, options) {
    const whole = bytes instanceof Uint8Array ? bytes : Buffer.concat(await Array.fromAsync(bytes))
    writeFileSync(join(this.folder, cid.toString()), whole)
    return super.put(cid, whole, options)
  }
}

function * files (folder, path) {
  for (const name of readdirSync(folder)) {
    const full = join(folder, name)
    if (statSync(full).isDirectory()) yield * files(full, `${path}/${name}`)
    else yield { path: `${path}/${name}`, content: readFileSync(full) }
  }
}

const commands = {
  async import (folder, blocks, options) {
    const profile = { profile: 'unixfs-v0-2015', ...JSON.parse(options) } // 256 KiB, 174 links, names and CIDs are weighed: what kubo does
    for await (const entry of importer(files(folder, 'root'), new FolderBlockstore(blocks), profile)) say({ path: entry.path, cid: entry.cid.toString() })
  },

  async export (blocks, cid) {
    const store = new FolderBlockstore(blocks)
    for await (const { cid: found, path } of recursive(CID.parse(cid), store)) {
      const entry = await exporter(found, store)
      const isFile = entry.type === 'file' || entry.type === 'raw'
      say({ path, type: entry.type, sha256: isFile ? sha256(Buffer.concat(await Array.fromAsync(entry.content()))).toString('hex') : null })
    }
  }
}

await commands[process.argv[2]](...process.argv.slice(3))

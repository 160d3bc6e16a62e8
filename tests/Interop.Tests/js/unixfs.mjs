// UnixFS as the JavaScript implementation has it, for the interop tests. One command a run, the answer as lines of JSON:
//   unixfs.mjs import FOLDER BLOCKS OPTIONS   adds FOLDER, writes each block to BLOCKS/<cid>, prints {path, cid} for each file and folder
//   unixfs.mjs car GATEWAY CID PATH        fetches an archive of CID/PATH, checks every block and prints as export does; only from what the archive holds
//   unixfs.mjs raw GATEWAY CID             fetches block by block, checks each and prints as export does
//   unixfs.mjs export BLOCKS CID              reads CID from BLOCKS and prints {path, type, sha256} for all that is in it
import { createHash } from 'node:crypto'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryBlockstore } from 'blockstore-core'
import { CarReader } from '@ipld/car'
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

async function print (cid, store) {
  for await (const { cid: found, path } of recursive(cid, store)) {
    const entry = await exporter(found, store)
    const isFile = entry.type === 'file' || entry.type === 'raw'
    say({ path, type: entry.type, sha256: isFile ? sha256(Buffer.concat(await Array.fromAsync(entry.content()))).toString('hex') : null })
  }
}

async function fetched (url, type) {
  const response = await fetch(url, { headers: { accept: type } })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  if (!response.headers.get('content-type').startsWith(type)) throw new Error(`${url}: ${response.headers.get('content-type')}`)
  return new Uint8Array(await response.arrayBuffer())
}

function check (cid, bytes) {
  if (!sha256(bytes).equals(Buffer.from(cid.multihash.digest))) throw new Error(`${cid} is not what its name says`)
  return bytes
}

// Takes each block that is missing from a gateway.
class GatewayBlockstore extends MemoryBlockstore {
  constructor (gateway) {
    super()
    this.gateway = gateway
  }

  async * get (cid, options) {
    if (!this.has(cid)) super.put(cid, check(cid, await fetched(`${this.gateway}/ipfs/${cid}?format=raw`, 'application/vnd.ipld.raw')))
    yield * super.get(cid, options)
  }
}

const commands = {
  async car (gateway, root, path) {
    const reader = await CarReader.fromBytes(await fetched(`${gateway}/ipfs/${root}/${path}?format=car`, 'application/vnd.ipld.car'))
    const store = new MemoryBlockstore()
    for await (const { cid, bytes } of reader.blocks()) store.put(cid, check(cid, bytes))
    const [first] = await reader.getRoots()
    await print((await exporter(`${first}/${path}`, store)).cid, store)
  },

  async raw (gateway, cid) {
    await print(CID.parse(cid), new GatewayBlockstore(gateway))
  },

  async import (folder, blocks, options) {
    const profile = { profile: 'unixfs-v0-2015', ...JSON.parse(options) } // 256 KiB, 174 links, names and CIDs are weighed: what kubo does
    for await (const entry of importer(files(folder, 'root'), new FolderBlockstore(blocks), profile)) say({ path: entry.path, cid: entry.cid.toString() })
  },

  async export (blocks, cid) {
    await print(CID.parse(cid), new FolderBlockstore(blocks))
  }
}

await commands[process.argv[2]](...process.argv.slice(3))

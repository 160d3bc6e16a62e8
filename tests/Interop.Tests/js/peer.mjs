// A js-libp2p node for the interop tests, driven by lines of JSON on stdin and answering with lines of JSON on stdout:
//   -> {"id":1,"do":"ping","address":"/ip4/..."}      <- {"id":1,"ok":...} or {"id":1,"error":"..."}
// It serves /echo/1 (sends everything back), /count/1 (answers "<bytes> <sha256>" once the other side has closed its direction),
// /abort/1 (resets at the first byte) and /watch/1 (echoes, and prints {"event":"reset"} when the other side resets).
import { createHash, randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { dcutr } from '@libp2p/dcutr'
import { identify, identifyPush } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { webSockets } from '@libp2p/websockets'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'

const say = (line) => process.stdout.write(JSON.stringify(line) + '\n')

// node peer.mjs [key type] [tls] [ws] [relay] [through=ADDRESS] [punch=ADDRESS]: with tls it speaks no Noise, with ws it listens on nothing else,
// with relay it forwards for others without limits, with through it is reached through the relay at the address only, with punch it is at home behind
// a router with that address and upgrades relayed connections (DCUtR)
const [kind = 'default', ...features] = process.argv.slice(2)
const value = (name) => features.find((feature) => feature.startsWith(`${name}=`))?.slice(name.length + 1)
const [through, punch] = [value('through'), value('punch')]
const node = await createLibp2p({
  ...(kind === 'default' ? {} : { privateKey: await generateKeyPair(kind) }),
  addresses: {
    listen: [
      ...(through ? [`${through}/p2p-circuit`] : []),
      ...(punch ? ['/ip4/0.0.0.0/tcp/4001'] : []),
      ...(through || punch ? [] : ['/ip4/127.0.0.1/tcp/0' + (features.includes('ws') ? '/ws' : '')])
    ],
    appendAnnounce: punch ? [punch] : []
  },
  transports: [tcp(), webSockets(), circuitRelayTransport()],
  connectionEncrypters: [features.includes('tls') ? tls() : noise()],
  streamMuxers: [yamux()],
  services: {
    ping: ping(),
    identify: identify(),
    push: identifyPush(),
    ...(punch ? { dcutr: dcutr() } : {}),
    ...(features.includes('relay') ? { relay: circuitRelayServer({ reservations: { applyDefaultLimit: false } }) } : {})
  }
})

const options = { maxInboundStreams: 1000, maxOutboundStreams: 1000 }
const flat = (buf) => buf.subarray()

async function send (stream, bytes) {
  if (!stream.send(bytes)) await stream.onDrain()
}

await node.handle('/echo/1', async (stream) => {
  try {
    for await (const buf of stream) await send(stream, flat(buf))
    await stream.close()
  } catch (error) { stream.abort(error) }
}, options)

await node.handle('/count/1', async (stream) => {
  try {
    const hash = createHash('sha256')
    let count = 0
    for await (const buf of stream) { hash.update(flat(buf)); count += buf.byteLength }
    await send(stream, Buffer.from(`${count} ${hash.digest('hex')}`))
    await stream.close()
  } catch (error) { stream.abort(error) }
}, options)

await node.handle('/abort/1', (stream) => {
  stream.addEventListener('message', () => stream.abort(new Error('as asked')))
}, options)

await node.handle('/watch/1', (stream) => {
  stream.addEventListener('message', (event) => stream.send(flat(event.data)))
  stream.addEventListener('close', () => say({ event: stream.status }))
}, options)

async function readAll (stream) {
  const parts = []
  for await (const buf of stream) parts.push(Buffer.from(flat(buf)))
  return Buffer.concat(parts)
}

const commands = {
  ping: async ({ address }) => await node.services.ping.ping(multiaddr(address)),

  identify: async ({ address }) => {
    const info = await node.services.identify.identify(await node.dial(multiaddr(address)))
    return {
      peer: info.peerId.toString(),
      agent: info.agentVersion,
      protocols: info.protocols,
      listen: info.listenAddrs.map(String),
      observed: info.observedAddr?.toString()
    }
  },

  // Sends that many bytes and reads them back at the same time; true when the hashes agree.
  echo: async ({ address, bytes }) => {
    const stream = await node.dialProtocol(multiaddr(address), '/echo/1', options)
    const sent = createHash('sha256')
    const received = createHash('sha256')
    let count = 0
    const reading = (async () => { for await (const buf of stream) { received.update(flat(buf)); count += buf.byteLength } })()
    for (let left = bytes; left > 0;) {
      const piece = randomBytes(Math.min(left, 65536))
      sent.update(piece)
      left -= piece.length
      await send(stream, piece)
    }
    await stream.close()
    await reading
    return { count, same: sent.digest('hex') === received.digest('hex') }
  },

  // Half-close: everything is sent and our direction closed before the answer is made.
  count: async ({ address, bytes }) => {
    const stream = await node.dialProtocol(multiaddr(address), '/count/1', options)
    const body = randomBytes(bytes)
    const answer = readAll(stream)
    await send(stream, body)
    await stream.close()
    return (await answer).toString() === `${bytes} ${createHash('sha256').update(body).digest('hex')}`
  },

  // The other side resets at the first byte: how does the stream end here?
  aborted: async ({ address }) => {
    const stream = await node.dialProtocol(multiaddr(address), '/abort/1', options)
    const closed = new Promise((resolve) => stream.addEventListener('close', resolve))
    await send(stream, Buffer.from('x'))
    await closed
    return stream.status
  },

  // We reset, the other side watches.
  abort: async ({ address }) => {
    const stream = await node.dialProtocol(multiaddr(address), '/watch/1', options)
    await send(stream, Buffer.from('x'))
    stream.abort(new Error('as asked'))
    return true
  },

  unknown: async ({ address }) => {
    await node.dialProtocol(multiaddr(address), '/nothing/1', options)
    return true
  },

  dial: async ({ address }) => (await node.dial(multiaddr(address))).remotePeer.toString(),

  // What it knows of the protocols of the peer that it is connected with, after whatever was pushed.
  protocols: async () => (await node.peerStore.get(node.getConnections()[0].remotePeer)).protocols,

  // It serves one protocol more, of which it tells by push.
  serve: async () => { await node.handle('/new/1', (stream) => stream.close()); return true },

  connections: async () => node.getConnections().length,

  // "<peer> <direct or relayed>" of each connection.
  routes: async () => node.getConnections().map((connection) => `${connection.remotePeer} ${connection.remoteAddr.toString().includes('/p2p-circuit') ? 'relayed' : 'direct'}`)
}

createInterface({ input: process.stdin }).on('line', async (line) => {
  const command = JSON.parse(line)
  try {
    say({ id: command.id, ok: await commands[command.do](command) })
  } catch (error) {
    say({ id: command.id, error: `${error.name}: ${error.message}` })
  }
}).on('close', () => process.exit(0))

// A place with a relay is an address only once the relay has given it.
const reached = () => node.getMultiaddrs().map(String).find((address) => !through || address.includes('/p2p-circuit'))
while (!reached()) await new Promise((resolve) => node.addEventListener('self:peer:update', resolve, { once: true }))
say({ ready: reached() })

// js-libp2p against itself on loopback, both nodes in this process: Noise, yamux, one stream, as bench mesh does it.
//   node mesh-bench.mjs MIB PINGS   ->   {"bytes":...,"seconds":...,"cpu":...,"p50":microseconds,"p99":microseconds}
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'

const bytes = Number(process.argv[2]) * 1048576
const pings = Number(process.argv[3])
const start = () => createLibp2p({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] }, transports: [tcp()], connectionEncrypters: [noise()], streamMuxers: [yamux()]
})
const [one, two] = [await start(), await start()]

let arrived
await two.handle('/sink/1', async (stream) => {
  let count = 0
  for await (const buf of stream) count += buf.byteLength
  arrived(count)
})
await two.handle('/echo/1', (stream) => stream.addEventListener('message', (event) => stream.send(event.data)))

async function bulk () {
  const all = new Promise((resolve) => { arrived = resolve })
  const stream = await one.dialProtocol(two.getMultiaddrs(), '/sink/1')
  const piece = new Uint8Array(65536)
  const cpu = process.cpuUsage()
  const began = performance.now()
  for (let left = bytes; left > 0; left -= piece.length) if (!stream.send(piece)) await stream.onDrain()
  await stream.close()
  const count = await all
  const used = process.cpuUsage(cpu)
  return { bytes: count, seconds: (performance.now() - began) / 1000, cpu: (used.user + used.system) / 1e6 }
}

async function pingPong () {
  const stream = await one.dialProtocol(two.getMultiaddrs(), '/echo/1')
  const times = []
  let answered
  stream.addEventListener('message', () => answered())
  for (let i = 0; i < pings; i++) {
    const answer = new Promise((resolve) => { answered = resolve })
    const began = performance.now()
    stream.send(new Uint8Array(64))
    await answer
    times.push((performance.now() - began) * 1000)
  }
  times.sort((a, b) => a - b)
  return { p50: times[pings >> 1], p99: times[Math.floor(pings * 0.99)] }
}

const result = { ...await bulk(), ...await pingPong() }
process.stdout.write(JSON.stringify(result) + '\n', () => process.exit(0))

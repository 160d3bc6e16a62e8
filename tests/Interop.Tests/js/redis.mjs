// node-redis and ioredis against a port that speaks RESP: redis.mjs PORT [PASSWORD]. Prints a line of JSON for each client and protocol.
import Redis from 'ioredis'
import { createClient } from 'redis'

const [port, password] = [Number(process.argv[2]), process.argv[3] || undefined]

const check = (holds, what) => {
  if (!holds) throw new Error(what)
}

async function nodeRedis(RESP) {
  const options = { RESP, password, name: 'tester', socket: { host: '127.0.0.1', port } }
  const publisher = createClient(options)
  const subscriber = createClient(options)
  await Promise.all([publisher.connect(), subscriber.connect()])
  const heard = []
  const all = new Promise((resolve) => {
    const hear = (message, channel) => {
      heard.push(`${channel} ${message}`)
      if (heard.length === 2) resolve()
    }
    subscriber.subscribe('news', hear).then(() => subscriber.pSubscribe('n*', hear)).then(() => publisher.publish('news', 'héllo')).then((count) => check(count === 2, `${count} heard it`))
  })
  await all
  check(heard.every((line) => line === 'news héllo'), heard.join())
  check((await publisher.pubSubChannels()).join() === 'news', 'channels')
  check((await publisher.pubSubNumPat()) === 1, 'patterns')
  check((await publisher.clientGetName()) === 'tester', 'name')
  check((await publisher.ping()) === 'PONG', 'ping')
  await subscriber.unsubscribe()
  await subscriber.pUnsubscribe()
  await publisher.sendCommand(['NOSUCH', 'x']).then(() => check(false, 'it was answered'), (error) => check(/unknown command/.test(error.message), error.message))
  await Promise.all([publisher.close(), subscriber.close()])
}

async function ioRedis() {
  const publisher = new Redis({ host: '127.0.0.1', port, password, connectionName: 'tester' })
  const subscriber = new Redis({ host: '127.0.0.1', port, password })
  await subscriber.subscribe('news')
  await subscriber.psubscribe('n*')
  const both = Promise.all([
    new Promise((resolve) => subscriber.on('message', (channel, message) => resolve(`${channel} ${message}`))),
    new Promise((resolve) => subscriber.on('pmessage', (pattern, channel, message) => resolve(`${pattern} ${channel} ${message}`)))
  ])
  check((await publisher.publish('news', 'héllo')) === 2, 'two hear it')
  check((await both).join() === 'news héllo,n* news héllo', 'messages')
  check((await publisher.client('GETNAME')) === 'tester', 'name')
  check((await publisher.pubsub('NUMSUB', 'news')).join() === 'news,1', 'numsub')
  await subscriber.unsubscribe('news')
  await subscriber.punsubscribe('n*')
  await Promise.all([publisher.quit(), subscriber.quit()])
}

for (const [name, run] of [['node-redis RESP2', () => nodeRedis(2)], ['node-redis RESP3', () => nodeRedis(3)], ['ioredis', ioRedis]]) {
  await run()
  console.log(JSON.stringify({ done: name }))
}

// Keeps a copy of one merchant's customers, as GET /asyncapi.json tells to: pull, apply, save, and only then
// acknowledge; what is missing comes from GET /v1/events.
import { fsyncSync, closeSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'

const { CUSTOMERS_URL, CUSTOMERS_KEY, NATS_URL, MERCHANT_ID, CONSUMER, COPY } = process.env
const FILTER = `customers.v1.${MERCHANT_ID}.>`
const config = {
  name: CONSUMER, durable_name: CONSUMER, filter_subject: FILTER, deliver_policy: 'all',
  ack_policy: 'explicit', ack_wait: 30_000_000_000, max_ack_pending: 1000
}

const begin = () => ({ epoch: null, position: 0, hash: null, customers: {} })

function load() {
  try {
    return JSON.parse(readFileSync(COPY, 'utf8'))
  } catch (error) {
    if (error.code !== 'ENOENT') throw error
    return null
  }
}

// The customers and the position in one file, replaced at once: both or neither.
function save() {
  const file = openSync(`${COPY}.new`, 'w')
  writeSync(file, JSON.stringify({ ...copy, seen }))
  fsyncSync(file)
  closeSync(file)
  renameSync(`${COPY}.new`, COPY)
}

async function get(path) {
  for (;;) {
    try {
      const answer = await fetch(CUSTOMERS_URL + path, { headers: { 'X-API-Key': CUSTOMERS_KEY } })
      if (answer.status < 429) return { status: answer.status, headers: answer.headers, body: await answer.json() }
      await sleep(1000 * (answer.headers.get('Retry-After') ?? 1))
    } catch {
      await sleep(500)
    }
  }
}

async function apply(event) {
  const { data } = event
  copy.position = event.position
  if (!['customer.created', 'customer.updated', 'customer.deleted', 'customer.erased'].includes(event.event)) return
  if (event.event === 'customer.deleted' || event.event === 'customer.erased') delete copy.customers[data.id]
  else if (data.email !== undefined) copy.customers[data.id] = data
  else {
    seen.asked++
    const { status, body } = await get(`/v1/customers/${data.id}`)
    if (status === 200 && !body.deleted) copy.customers[data.id] = body
    else delete copy.customers[data.id]
  }
}

// From the feed, up to a position.
async function fill(until) {
  for (;;) {
    const limit = Math.min(1000, until - copy.position)
    const { status, headers, body } = await get(`/v1/events?after=${copy.position}&limit=${limit}`)
    const epoch = Number(headers.get('Ledger-Epoch'))
    if (status === 400 && body.code === 'invalid_cursor' || status === 200 && copy.epoch && epoch !== copy.epoch) {
      seen.anew++
      copy = begin()
      until = Infinity
      continue
    }
    if (status !== 200) throw new Error(`GET /v1/events: ${status} ${body.message}`)
    copy.epoch = epoch
    for (const event of body.data) { await apply(event); seen.fed++; copy.hash = null }
    if (!body.hasMore || copy.position >= until) return
  }
}

async function take(message) {
  const header = name => message.headers.get(name)
  const event = message.json()
  const epoch = Number(header('ce-epoch'))
  if (epoch < copy.epoch || epoch === copy.epoch && event.position <= copy.position) return void seen.again++
  if (epoch > copy.epoch && header('ce-prevhash') !== copy.hash) {
    seen.anew++
    copy = begin()
    await fill(Infinity)
  } else if (event.position > copy.position + 1) {
    seen.gaps++
    await fill(event.position - 1)
  }
  if (event.position !== copy.position + 1) return
  await apply(event)
  seen.taken++
  copy.epoch = epoch
  copy.hash = header('ce-hash')
}

let copy = load()
const seen = copy?.seen ?? { taken: 0, again: 0, gaps: 0, fed: 0, anew: 0, asked: 0 }
if (!copy) {
  copy = begin()
  await fill(Infinity)
  save()
}
const nats = await connect({ servers: NATS_URL, maxReconnectAttempts: -1, reconnectTimeWait: 250, waitOnFirstConnect: true })
for (;;) {
  try {
    // Made anew whenever nothing comes: it may be gone, with the stream or without.
    await (await jetstreamManager(nats)).consumers.add('CUSTOMERS', config)
    const consumer = await jetstream(nats).consumers.get('CUSTOMERS', CONSUMER)
    for (let batch = null; !batch || batch.length;) {
      batch = []
      for await (const message of await consumer.fetch({ max_messages: 500, expires: 1000 })) batch.push(message)
      for (const message of batch) await take(message)
      if (batch.length) save()
      for (const message of batch) message.ack()
    }
  } catch (error) {
    console.error(error.message)
    await sleep(500)
  }
}

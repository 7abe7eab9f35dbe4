// Keeps a copy of one merchant's customers, by what the service's /asyncapi.json says alone.
// In, from the environment: API_URL, API_KEY, NATS_URL, MERCHANT, CONSUMER (a name of its own), COPY (a file).
// Out: the file, {"epoch", "position", "hash", "told": how often what was done, "customers": {id: {version, data}}}.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";

const { API_URL, API_KEY, NATS_URL, MERCHANT, CONSUMER, COPY } = process.env;
const STREAM = "CUSTOMERS";
const CONFIG = {
  name: CONSUMER,
  durable_name: CONSUMER,
  filter_subject: `customers.v1.${MERCHANT}.>`,
  deliver_policy: "all",
  ack_policy: "explicit",
  ack_wait: 30_000_000_000, // ns
  max_ack_pending: 1000,
};
const told = { byStream: 0, byFeed: 0, known: 0, gaps: 0, asked: 0, begunAnew: 0, interrupted: 0 };

let place = { epoch: 0, position: 0, hash: null };
let saved = place;
let customers = new Map(); // id -> {version, data}
const outdated = new Set(); // ids of customers of whom nothing but the id was told

function load() {
  try {
    const { customers: kept, told: _, ...was } = JSON.parse(readFileSync(COPY, "utf8"));
    [saved, place, customers] = [was, was, new Map(Object.entries(kept))];
  } catch (error) {
    if (error.code !== "ENOENT") throw error;
  }
}

// The place and what was made of the events, both or neither.
function save() {
  if (place === saved) return;
  const file = openSync(`${COPY}.new`, "w", 0o600);
  writeSync(file, JSON.stringify({ ...place, told, customers: Object.fromEntries(customers) }));
  fsyncSync(file);
  closeSync(file);
  renameSync(`${COPY}.new`, COPY);
  saved = place;
}

function apply({ data, version }) {
  if (customers.get(data.id)?.version >= version) return;
  outdated.delete(data.id);
  if (data.deleted) customers.delete(data.id);
  else if ("email" in data) customers.set(data.id, { version, data });
  else outdated.add(data.id);
}

async function ask(path) {
  for (;;) {
    try {
      const headers = { "X-API-Key": API_KEY };
      const answer = await fetch(API_URL + path, { headers, signal: AbortSignal.timeout(60_000) });
      const { status } = answer;
      if (status < 500 && status !== 408 && status !== 429) return { status, headers: answer.headers, body: await answer.json() };
      await sleep(1000 * (Number(answer.headers.get("Retry-After")) || 1));
    } catch (error) {
      await interrupted(error);
    }
  }
}

async function askForOutdated() {
  for (const id of outdated) {
    const { status, headers, body } = await ask(`/v1/customers/${id}`);
    if (status !== 200 && status !== 404) throw new Error(`${id}: ${status} ${body.code}`);
    if (status === 404 || body.deleted) customers.delete(id);
    else customers.set(id, { version: Number(headers.get("ETag").replaceAll('"', "")), data: body });
    outdated.delete(id);
    told.asked++;
  }
}

function beginAnew(epoch) {
  place = { epoch, position: 0, hash: null };
  customers.clear();
  outdated.clear();
  told.begunAnew++;
}

// Everything beyond our place that the service has.
async function readFeed() {
  for (let more = true; more; ) {
    const { status, headers, body } = await ask(`/v1/events?after=${place.position}&limit=1000`);
    const epoch = Number(headers.get("Ledger-Epoch"));
    if (status === 400 && body.code === "invalid_cursor") beginAnew(place.epoch);
    else if (status !== 200) throw new Error(`the feed: ${status} ${body.code}`);
    else if (epoch !== place.epoch && place.epoch !== 0) beginAnew(epoch);
    else {
      body.data.forEach(apply);
      told.byFeed += body.data.length;
      if (body.nextAfter > place.position) place = { epoch, position: body.nextAfter, hash: null }; // it tells no hashes
      more = body.hasMore;
    }
  }
}

async function take(message) {
  const [epoch, position] = ["ce-epoch", "ce-sequence"].map((name) => Number(message.headers.get(name)));
  const [hash, before] = ["ce-hash", "ce-prevhash"].map((name) => message.headers.get(name));
  if (epoch < place.epoch && position > place.position) return; // of a history that is no more
  const follows = position === place.position + 1;
  if (epoch > place.epoch && place.epoch !== 0 && !(follows && before === place.hash)) beginAnew(epoch);
  if (position > place.position + 1) {
    told.gaps++;
    await readFeed();
  }
  if (position <= place.position) return told.known++;
  apply(message.json());
  place = { epoch: Math.max(epoch, place.epoch), position, hash };
  told.byStream++;
}

async function interrupted(error) {
  told.interrupted++;
  console.error(error.message);
  await sleep(250);
}

load();
const nats = await connect({ servers: NATS_URL, maxReconnectAttempts: -1, reconnectTimeWait: 250, waitOnFirstConnect: true });
let consumer = null;
for (;;) {
  const messages = [];
  try {
    if (!consumer) {
      await (await jetstreamManager(nats, { checkAPI: false, timeout: 1000 })).consumers.add(STREAM, CONFIG);
      consumer = await jetstream(nats, { timeout: 1000 }).consumers.get(STREAM, CONSUMER);
    }
    for await (const message of await consumer.fetch({ max_messages: 500, expires: 1000 })) messages.push(message);
  } catch (error) {
    consumer = null; // NATS is away, or the stream, or our consumer: go on by the feed meanwhile
    await interrupted(error);
    await readFeed();
  }
  for (const message of messages) await take(message);
  await askForOutdated();
  save();
  for (const message of messages) message.ack();
}

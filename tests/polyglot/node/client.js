// A client of the allocator: logs in, rents a machine, follows its log, and removes it.
//
//   node client.js HOST:PORT EMAIL PASSWORD [CA.pem]
//
// Without a certificate authority it speaks without TLS, as on the machine of the allocator itself.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import grpc from "@grpc/grpc-js";
import { loadFileDescriptorSetFromBuffer } from "@grpc/proto-loader";

const MACHINE = "machines/ticker";
const LINES = 3;
// How long one call may take, and how long a machine may take to get ready.
const CALL_MILLIS = 10_000;
const READY_MILLIS = 60_000;

const contracts = readFileSync(new URL("allocator.binpb", import.meta.url));
const { allocator } = grpc.loadPackageDefinition(
  loadFileDescriptorSetFromBuffer(contracts, { longs: String, enums: String, defaults: true, oneofs: true }),
);

const within = (millis) => ({ deadline: Date.now() + millis });

/** Makes a call that has one answer, as a promise. */
const ask = (client, method, request, metadata = new grpc.Metadata()) =>
  promisify(client[method].bind(client))(request, metadata, within(CALL_MILLIS));

/** Watches an allocation until it is in a state. */
async function waitFor(allocations, name, state, token) {
  const watch = allocations.watchAllocations({ name }, token, within(READY_MILLIS));
  try {
    for await (const { allocation } of watch) {
      if (allocation?.state === state) return;
      if (allocation?.state === "FAILED") {
        throw new Error(`it has failed: ${allocation.state_reason?.message}`);
      }
    }
    throw new Error("the watch has ended");
  } finally {
    stop(watch);
  }
}

/** Prints the first lines of the log, each with its number. */
async function followLog(consoles, name, token) {
  const console_ = consoles.followConsole({ name, cursor: "0" }, token, within(READY_MILLIS));
  let seen = 0;
  try {
    for await (const { log, bye } of console_) {
      if (bye) throw new Error(`the console has ended: ${bye.message}`);
      for (const [place, text] of (log?.texts ?? []).entries()) {
        console.log(`line ${BigInt(log.first_seq) + BigInt(place)}: ${text}`);
        seen += 1;
      }
      if (seen >= LINES) return;
    }
    throw new Error("the console has ended");
  } finally {
    stop(console_);
  }
}

/** Ends a stream that is not needed any more; that it then says CANCELLED is no error. */
function stop(stream) {
  stream.on("error", () => {});
  stream.cancel();
}

async function run(address, email, password, authority) {
  const credentials = authority
    ? grpc.credentials.createSsl(readFileSync(authority))
    : grpc.credentials.createInsecure();
  const { SessionService } = allocator.users.v1;
  const { AllocationService } = allocator.allocations.v1;
  const { ConsoleService } = allocator.consoles.v1;
  const sessions = new SessionService(address, credentials);
  const allocations = new AllocationService(address, credentials);
  const consoles = new ConsoleService(address, credentials);
  try {
    const session = await ask(sessions, "createSession", { email, password });
    console.log("logged in as", session.user.name);
    // Every further call carries the access token.
    const token = new grpc.Metadata();
    token.set("authorization", `Bearer ${session.access_token}`);

    // Sent again with the same identifier, for instance after a timeout, it rents nothing more.
    const wanted = { allocation: { machine: MACHINE }, request_id: randomUUID() };
    const { name } = await ask(allocations, "createAllocation", wanted, token);
    console.log("rented", MACHINE, "as", name);
    try {
      await waitFor(allocations, name, "READY", token);
      console.log("ready", name);
      await followLog(consoles, name, token);
    } finally {
      await ask(allocations, "deleteAllocation", { name }, token);
      await waitFor(allocations, name, "DELETED", token);
      console.log("removed", name);
    }
  } finally {
    for (const client of [sessions, allocations, consoles]) client.close();
  }
}

const [address, email, password, authority, ...rest] = process.argv.slice(2);
if (!password || rest.length > 0) {
  console.error("usage: node client.js HOST:PORT EMAIL PASSWORD [CA.pem]");
  process.exit(2);
}
try {
  await run(address, email, password, authority);
} catch (error) {
  console.error(`error: ${error.message}`);
  process.exitCode = 1;
}

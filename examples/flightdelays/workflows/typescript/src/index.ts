// The workflow of the example in TypeScript. It gives the same commands as that in Go, and returns the same result.

import { ActivityFailure, ApplicationFailure, defineQuery, log, proxyActivities, setHandler } from "wasmworker-sdk/workflow";

interface Request {
  flights: string[];
  airports: string;
  chunk_size: number;
  /** How many records in a thousand may be bad. They are left out and reported. */
  most_bad: number;
  tariff: Tariff;
}

interface Tariff { from_minutes: number; bands: { up_to_km: number | null; euros: number }[] }
interface Digest { bytes: number; sha256: string }
interface Source extends Digest { file: string; records: number; bad: number }
interface Chunk { file: string; offset: number; length: number; records: number }
/** Records count from 0: in the details of a failure in the chunk, in the result in the file. */
interface BadRecord { file?: string; record: number; reason: string }
interface Delays { hours: unknown }

// What activities return for other activities is nothing that the workflow looks into.
type Flights = unknown;
type Measure = unknown;
type Claims = unknown;

interface Activities {
  CheckFlights(chunk: Chunk, airports: string, skip: number[]): Flights;
  MeasureDelays(flights: Flights): Measure;
  PriceClaims(flights: Flights, tariff: Tariff): Claims;
  SummariseDelays(measures: Measure[]): Delays;
  TotalClaims(claims: Claims[]): Claims;
  DrawChart(hours: unknown): string;
  RenderReport(report: object, chart: string): string;
  DigestText(text: string): Digest;
}

interface FileActivities {
  DigestFile(file: string): Digest;
  SplitFile(request: { file: string; chunk_size: number }): Chunk[];
}

// What is wrong with the data is not retryable, and the activities say so. What they do not foresee is retried.
const retry = { initialInterval: "1s", maximumAttempts: 5 };
const activities = proxyActivities<Activities>({ startToCloseTimeout: "1 minute", retry });
// How long these take depends on the size of the files. So it is heartbeats that tell whether they are alive.
const files = proxyActivities<FileActivities>({ startToCloseTimeout: "1 hour", heartbeatTimeout: "10s", retry });

export const progress = defineQuery<{ chunks: number; done: number; records: number; bad: number }>("progress");

export async function DelayReport(request: Request) {
  const done = { chunks: 0, done: 0, records: 0, bad: 0 };
  setHandler(progress, () => done);

  const { sources, chunks } = await open(request);

  // All chunks at once: the worker's limit decides how many run.
  done.chunks = chunks.length;
  const parts = await Promise.all(chunks.map(async (chunk) => {
    const part = await process(request, chunk);
    done.done++;
    done.records += chunk.records;
    done.bad += part.bad.length;
    return part;
  }));

  const bad: BadRecord[] = [];
  const before = new Map<string, number>(); // records of the chunks before, by file
  chunks.forEach((chunk, i) => {
    const first = before.get(chunk.file) ?? 0;
    const its = parts[i]!.bad;
    for (const b of its) bad.push({ file: chunk.file, record: first + b.record, reason: b.reason });
    before.set(chunk.file, first + chunk.records);
    for (const source of sources.filter((s) => s.file === chunk.file)) {
      source.records += chunk.records;
      source.bad += its.length;
    }
  });

  const [delays, claims] = await Promise.all([
    activities.SummariseDelays(parts.map((p) => p.measure)),
    activities.TotalClaims(parts.map((p) => p.claims)),
  ]);
  const chart = await activities.DrawChart(delays.hours);
  const report = await activities.RenderReport({ sources, delays, claims, tariff: request.tariff }, chart);
  const digest = await activities.DigestText(report);
  return { sources, bad, delays, claims, report, digest };
}

/** Takes the digests of all files, and splits those with flights. */
async function open(request: Request): Promise<{ sources: Source[]; chunks: Chunk[] }> {
  const all = [...request.flights, request.airports];
  const [digests, splits] = await Promise.all([
    Promise.all(all.map((file) => files.DigestFile(file))),
    Promise.all(request.flights.map((file) => files.SplitFile({ file, chunk_size: request.chunk_size }))),
  ]);
  return { sources: all.map((file, i) => ({ file, ...digests[i]!, records: 0, bad: 0 })), chunks: splits.flat() };
}

/** Does all that is done with one chunk. */
async function process(request: Request, chunk: Chunk): Promise<{ measure: Measure; claims: Claims; bad: BadRecord[] }> {
  const { flights, bad } = await check(request, chunk);
  const [measure, claims] = await Promise.all([activities.MeasureDelays(flights), activities.PriceClaims(flights, request.tariff)]);
  return { measure, claims, bad };
}

/**
 * Reads the flights of a chunk. CheckFlights refuses a chunk with bad records, by a failure of a type of its own which lists them.
 * That some of them are no reason to do without the others is decided here.
 */
async function check(request: Request, chunk: Chunk): Promise<{ flights: Flights; bad: BadRecord[] }> {
  try {
    return { flights: await activities.CheckFlights(chunk, request.airports, []), bad: [] };
  } catch (e) {
    const failure = e instanceof ActivityFailure ? e.cause : undefined;
    if (!(failure instanceof ApplicationFailure) || failure.type !== "BadRecords") throw e;
    const bad: BadRecord[] = failure.details?.[0] ?? [];
    if (bad.length * 1000 > request.most_bad * chunk.records) {
      const message = `more than ${request.most_bad} in a thousand records of ${chunk.file}, from byte ${chunk.offset} on, are bad`;
      throw ApplicationFailure.create({ message, type: "TooManyBadRecords", nonRetryable: true, cause: failure });
    }
    log.info("leaving out bad records", { file: chunk.file, offset: chunk.offset, records: bad.length });
    return { flights: await activities.CheckFlights(chunk, request.airports, bad.map((b) => b.record)), bad };
  }
}

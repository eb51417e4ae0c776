// What a workflow knows of itself, and shows of itself.

import { host } from "../internal/host.js";
import { decode } from "./payloads.js";
import { current } from "./state.js";

/** WorkflowInfo, made when somebody asks for it. */
export function workflowInfo() {
  const run = current();
  run.known ??= infoOf(run.info, run.body);
  return (run.shown ??= Object.freeze({
    ...run.known,
    historyLength: run.history.length ?? 0,
    historySize: run.history.size ?? 0,
    continueAsNewSuggested: run.history.continue_as_new_suggested ?? false,
    memo: run.memo,
    typedSearchAttributes: new TypedSearchAttributes([...run.searchAttributes].map(([name, { type, value }]) => ({ key: { name, type }, value }))),
  }));
}

function infoOf(i, body) {
  const execution = (e) => e && Object.freeze({ workflowId: e.workflow_id, runId: e.run_id, namespace: e.namespace });
  return {
    workflowId: i.workflow_id,
    runId: i.run_id,
    firstExecutionRunId: i.first_run_id || i.run_id,
    continuedFromExecutionRunId: i.continued_run_id || undefined,
    workflowType: i.workflow_type,
    taskQueue: i.task_queue,
    namespace: i.namespace,
    attempt: i.attempt ?? 1,
    startTime: new Date(i.start_time),
    executionTimeoutMs: i.execution_timeout_ms || undefined,
    runTimeoutMs: i.run_timeout_ms || undefined,
    taskTimeoutMs: i.task_timeout_ms ?? 0,
    cronSchedule: i.cron_schedule || undefined,
    parent: execution(i.parent),
    root: execution(i.root),
    retryPolicy: i.retry_policy && Object.freeze({
      initialInterval: i.retry_policy.initial_interval_ms,
      backoffCoefficient: i.retry_policy.backoff_coefficient,
      maximumInterval: i.retry_policy.maximum_interval_ms,
      maximumAttempts: i.retry_policy.maximum_attempts,
      nonRetryableErrorTypes: i.retry_policy.non_retryable_error_types,
    }),
    priority: i.priority && Object.freeze({
      priorityKey: i.priority.priority_key,
      fairnessKey: i.priority.fairness_key,
      fairnessWeight: i.priority.fairness_weight,
    }),
    lastResult: decode(i.last_result, body, "the last result"),
  };
}

/** What the start of a run says of its memo and search attributes. */
export function keepAttributes(run) {
  run.memo = Object.fromEntries(Object.entries(run.info.memo ?? {}).map(([name, p]) => [name, decode(p, run.body, `memo ${name}`)]));
  run.searchAttributes = new Map(Object.entries(run.info.search_attributes ?? {}).map(([name, { type, value }]) => {
    const decoded = decode(value, run.body, `search attribute ${name}`);
    return [name, { type: TYPES.get(type) ?? type, value: type === "Datetime" && decoded !== undefined ? new Date(decoded) : decoded }];
  }));
}

export function upsertMemo(memo) {
  const run = current();
  run.mustChange("change the memo");
  if (typeof memo !== "object" || memo === null) throw new TypeError("upsertMemo takes an object of names and values");
  const placed = run.frame.map(memo, "memo");
  run.push({ command: "upsert_memo", memo: placed });
  run.memo = { ...run.memo };
  for (const [name, value] of Object.entries(memo)) {
    if (value === null || value === undefined) delete run.memo[name];
    else run.memo[name] = value;
  }
  run.shown = undefined;
}

export const SearchAttributeType = Object.freeze({
  TEXT: "TEXT", KEYWORD: "KEYWORD", INT: "INT", DOUBLE: "DOUBLE", BOOL: "BOOL", DATETIME: "DATETIME", KEYWORD_LIST: "KEYWORD_LIST",
});

// As the contract names them, and as Temporal's SDK does.
const TYPES = new Map([["Text", "TEXT"], ["Keyword", "KEYWORD"], ["Int", "INT"], ["Double", "DOUBLE"], ["Bool", "BOOL"], ["Datetime", "DATETIME"], ["KeywordList", "KEYWORD_LIST"]]);
const NAMES = new Map([...TYPES].map(([name, type]) => [type, name]));

export function defineSearchAttributeKey(name, type) {
  if (!NAMES.has(type)) throw new TypeError(`${type} is none of ${[...NAMES.keys()].join(", ")}`);
  return Object.freeze({ name, type });
}

export class TypedSearchAttributes {
  #pairs;
  constructor(pairs = []) { this.#pairs = [...pairs]; }
  get({ name, type }) { return this.#pairs.find((p) => p.key.name === name && p.key.type === type)?.value; }
  getAll() { return [...this.#pairs]; }
}

const fits = {
  TEXT: (v) => typeof v === "string", KEYWORD: (v) => typeof v === "string", INT: Number.isInteger, DOUBLE: (v) => typeof v === "number",
  BOOL: (v) => typeof v === "boolean", DATETIME: (v) => v instanceof Date, KEYWORD_LIST: (v) => Array.isArray(v) && v.every((s) => typeof s === "string"),
};

/** Search attributes as commands have them. Null takes one away. */
export function placeSearchAttributes(frame, attributes) {
  if (attributes === undefined) return undefined;
  const pairs = attributes instanceof TypedSearchAttributes ? attributes.getAll() : attributes;
  if (!Array.isArray(pairs)) throw new TypeError("search attributes are a list of {key, value}, with a key of defineSearchAttributeKey");
  return Object.fromEntries(pairs.map(({ key, value }) => {
    const type = NAMES.get(key.type);
    if (value === null || value === undefined) return [key.name, { type }];
    if (!fits[key.type](value)) throw new TypeError(`the search attribute ${key.name} is of type ${key.type}, and its value is not`);
    return [key.name, { type, value: frame.argument(value, `search attribute ${key.name}`) }];
  }));
}

export function upsertSearchAttributes(attributes) {
  const run = current();
  run.mustChange("change search attributes");
  const placed = placeSearchAttributes(run.frame, attributes);
  run.push({ command: "upsert_search_attributes", search_attributes: placed });
  for (const { key, value } of attributes instanceof TypedSearchAttributes ? attributes.getAll() : attributes) {
    if (value === null || value === undefined) run.searchAttributes.delete(key.name);
    else run.searchAttributes.set(key.name, { type: key.type, value });
  }
  run.shown = undefined;
}

export function setCurrentDetails(text) {
  const run = current();
  run.mustChange("change the details");
  run.details = String(text);
  run.push({ command: "current_details", text: run.details });
}

export const getCurrentDetails = () => current().details;

export function patched(id) {
  current();
  return host.patched(String(id)) !== 0;
}

export function deprecatePatch(id) { patched(id); }

// How an error becomes a failure of the guest contract.

import { CATEGORY_BENIGN, MAX_CAUSE_DEPTH } from "./abi.js";
import { ApplicationFailure, CancelledFailure, milliseconds } from "../errors.js";
import { mapStack } from "./stack.js";

// What the messages of a failure may say of errors that its chain of causes has no place for.
const MAX_LISTED = 10; // errors in one message
const MAX_LISTED_SIZE = 512; // characters of one of them
const MAX_LISTED_ALL = 4096; // characters in all messages of a failure and its causes

/** Anything that was thrown -> the JSON shape Failure. Others are errors that stand beside it. */
export function failureOf(error, others = []) {
  return describe(error, others, 0, { left: MAX_LISTED_ALL });
}

function describe(error, beside, depth, room) {
  if (!(error instanceof Error)) return { type: typeOf(error), message: listed(messageOf(error), beside, room) };
  const application = error instanceof ApplicationFailure;
  const [cause, others] = causesOf(error);
  const f = {
    type: typeOf(error),
    // QuickJS has no message for what Promise.any throws.
    message: listed(messageOf(error) || (others.length > 0 ? messageOf(cause) : ""), [...others, ...beside], room),
    stack_trace: mapStack(error.stack) || undefined,
  };
  if (application) {
    if (error.nonRetryable) f.non_retryable = true;
    if (error.nextRetryDelay !== undefined) f.next_retry_delay_ms = milliseconds(error.nextRetryDelay);
    if (error.category === "BENIGN") f.category = CATEGORY_BENIGN;
  }
  if ((application || error instanceof CancelledFailure) && error.details?.length) f.details = error.details.map(jsonOf);
  if (isSomething(cause) && depth < MAX_CAUSE_DEPTH) f.cause = describe(cause, [], depth + 1, room);
  return f;
}

const isSomething = (value) => value !== undefined && value !== null;

// throw "text" is allowed; and so is an error of another realm or library that only looks like one.
const isLike = (error) => typeof error === "object" && error !== null;

function typeOf(error) {
  if (error instanceof ApplicationFailure) return error.type || undefined;
  return (error instanceof Error ? error.name : isLike(error) && text(error.name)) || "Error";
}

function messageOf(error) {
  return error instanceof Error ? String(error.message) : (isLike(error) && text(error.message)) || show(error);
}

/** The error behind another one, and those beside it. An AggregateError and its like have several, of which a chain of causes holds the first. */
export function causesOf(error) {
  let inner = [];
  if (Array.isArray(error.errors) && (error instanceof AggregateError || error.errors.some((e) => e instanceof Error))) inner = error.errors;
  // What using throws if something fails within its block, and then the disposal, too.
  else if (error.name === "SuppressedError") inner = [error.suppressed, error.error];
  inner = inner.filter(isSomething);
  return isSomething(error.cause) ? [error.cause, inner.filter((e) => e !== error.cause)] : [inner[0], inner.slice(1)];
}

/** Adds others to a message that does not have their texts already. What it adds is taken from room. */
function listed(message, others, room) {
  const unknown = others.filter((other) => !(messageOf(other) && message.includes(messageOf(other))));
  const texts = [];
  for (const other of unknown) {
    const type = typeOf(other);
    const text = cut(`${type ? `${type}: ` : ""}${messageOf(other)}`);
    if (texts.length === MAX_LISTED || text.length > room.left) break;
    room.left -= text.length;
    texts.push(text);
  }
  if (texts.length < unknown.length) texts.push(`and ${unknown.length - texts.length} more`);
  return texts.length === 0 ? message : `${message && `${message} `}(also: ${texts.join("; ")})`;
}

// Not within a character.
const cut = (text) => (text.length <= MAX_LISTED_SIZE ? text : text.slice(0, MAX_LISTED_SIZE).replace(/[\ud800-\udbff]$/, ""));

const text = (value) => (typeof value === "string" ? value : undefined);

function show(value) {
  try {
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

// A detail that is not JSON must not hide the failure that it belongs to.
function jsonOf(value) {
  try {
    return JSON.stringify(value) === undefined ? null : value;
  } catch {
    return String(value);
  }
}

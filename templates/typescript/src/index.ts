import { activityInfo, ApplicationFailure, log } from "wasmworker-sdk";

export interface Greeting {
  name: string;
}

export interface Reply {
  greeting: string;
  attempt: number;
}

/** Greets somebody by name. Every exported function is an activity. */
export async function greet(input: Greeting): Promise<Reply> {
  if (input.name === "") throw ApplicationFailure.nonRetryable("whom shall I greet? the name is empty", "EmptyName");
  log.info("greeting", { name: input.name });
  return { greeting: `Hello, ${input.name}!`, attempt: activityInfo().attempt };
}

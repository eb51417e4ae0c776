import { ApplicationFailure, Attributes, fail, info, log, ok, Result } from "wasmworker-sdk-assemblyscript";

@json
class Greeting {
  name!: string;
}

@json
class Reply {
  constructor(public greeting: string, public attempt: i32) {}
}

// @ts-ignore: decorator (editors do not know decorators of functions)
@activity
function greet(input: Greeting): Result<Reply> {
  if (input.name == "") return fail<Reply>(ApplicationFailure.nonRetryable("the name is empty", "EmptyName"));
  log.info("greeting", new Attributes().set("name", input.name));
  return ok(new Reply("Hello, " + input.name + "!", info().attempt));
}

#!/usr/bin/env node
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { BundleError, bundle } from "../lib/bundle.js";

const USAGE = `usage: wasmworker-bundle ENTRY -o FILE [options]

Builds a WebAssembly module for wasmworker. Each function that the module ENTRY
(TypeScript or JavaScript) exports becomes an activity of its name, or a
workflow if the sources import wasmworker-sdk/workflow.

  -o, --output FILE   where the module goes, such as my-activity.wasm
      --no-check      build in spite of type errors
      --no-try        do not run the module's initialization once to see that it works
      --minify        a smaller script; stack traces then name no useful lines
  -q, --quiet         say nothing if all is well
  -h, --help
`;

async function main() {
  let values;
  let positionals;
  try {
    ({ values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        output: { type: "string", short: "o" },
        "no-check": { type: "boolean" },
        "no-try": { type: "boolean" },
        minify: { type: "boolean" },
        quiet: { type: "boolean", short: "q" },
        help: { type: "boolean", short: "h" },
      },
    }));
  } catch (e) {
    process.stderr.write(`${e.message}\n\n${USAGE}`);
    return 2;
  }
  if (values.help) {
    process.stdout.write(USAGE);
    return 0;
  }
  if (positionals.length !== 1 || values.output === undefined) {
    process.stderr.write(USAGE);
    return 2;
  }
  const { wasm, activities, workflows, imports, warnings } = await bundle({
    entry: positionals[0], check: !values["no-check"], minify: values.minify, tryOut: !values["no-try"],
  });
  await mkdir(dirname(values.output), { recursive: true });
  await writeFile(values.output, wasm);
  for (const w of warnings) process.stderr.write(`warning: ${w}\n`);
  if (!values.quiet) {
    const asks = imports.length > 0 ? `; to be granted: ${imports.join(", ")}` : "";
    process.stdout.write(`${values.output}: ${Math.round(wasm.length / 1024)} KiB, ${workflows.length > 0 ? `workflows: ${workflows.join(", ")}` : `activities: ${activities.join(", ")}`}${asks}\n`);
  }
  return 0;
}

main().then((code) => { process.exitCode = code; }, (e) => {
  process.stderr.write(`${e instanceof BundleError ? e.message : e.stack}\n`);
  process.exitCode = 1;
});

// See secret.d.ts.

import { reveal as revealByHost } from "wasmworker:secret/v1";

export const reveal = (name) => new TextDecoder().decode(revealByHost(name));

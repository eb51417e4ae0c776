import { ApplicationFailure, log } from "wasmworker-sdk";

/** What a passenger would be owed: an amount by distance, once the delay is long enough. */
export interface Tariff {
  from_minutes: number;
  bands: Band[]; // from near to far
}

export interface Band {
  up_to_km: number | null; // null: any distance
  euros: number;
}

/** The columns that matter here. */
export interface Flights {
  delays: number[];
  kilometers: number[];
  routes?: string[];
}

export interface Claims {
  flights: number; // with a claim
  euros: number;
  bands: { flights: number; euros: number }[]; // as in the tariff
  routes: Record<string, number>; // euros, of flights whose route is known
}

/** Prices the flights of a chunk. */
async function priceClaims(flights: Flights, tariff: Tariff): Promise<Claims> {
  const claims: Claims = { flights: 0, euros: 0, bands: tariff.bands.map(() => ({ flights: 0, euros: 0 })), routes: {} };
  flights.delays.forEach((delay, i) => {
    if (delay < tariff.from_minutes) return;
    const km = flights.kilometers[i]!;
    const band = tariff.bands.findIndex(({ up_to_km }) => up_to_km === null || km <= up_to_km);
    if (band < 0) throw ApplicationFailure.nonRetryable(`the tariff has no band for ${km} km`, "NoBand", { km });
    const { euros } = tariff.bands[band]!;
    for (const sum of [claims, claims.bands[band]!]) {
      sum.flights++;
      sum.euros += euros;
    }
    const route = flights.routes?.[i];
    if (route !== undefined) claims.routes[route] = (claims.routes[route] ?? 0) + euros;
  });
  log.debug("priced", { flights: flights.delays.length, claims: claims.flights });
  return claims;
}

export { priceClaims as PriceClaims };

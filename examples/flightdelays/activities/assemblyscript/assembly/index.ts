import { ApplicationFailure, fail, ok, Result } from "wasmworker-sdk-assemblyscript";

@json
class Hour {
  flights!: i32;
  delayed!: i32;
}

const BAR: i32 = 22; // width of a bar, and the gap beside it
const GAP: i32 = 4;
const HEIGHT: i32 = 160; // of a bar of 100 %
const LABELS: i32 = 18;

/** Draws the share of delayed flights of each hour as an SVG image. */
// @ts-ignore: decorator (editors do not know decorators of functions)
@activity("DrawChart")
function drawChart(hours: Hour[]): Result<string> {
  const width = hours.length * (BAR + GAP) + GAP;
  let svg = `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="Delayed flights by hour" viewBox="0 0 ${width} ${HEIGHT + 2 * LABELS}">`;
  for (let i = 0; i < hours.length; i++) {
    const hour = hours[i];
    if (hour.flights < 0 || hour.delayed < 0 || hour.delayed > hour.flights) {
      return fail<string>(ApplicationFailure.nonRetryable(`hour ${i} has ${hour.delayed} delayed of ${hour.flights} flights`, "BadCounts"));
    }
    // Rounded in integers, which are the same everywhere.
    const percent = hour.flights == 0 ? 0 : <i32>((<i64>hour.delayed * 200 + hour.flights) / (<i64>hour.flights * 2));
    const height = (percent * HEIGHT) / 100;
    const x = GAP + i * (BAR + GAP);
    const y = LABELS + HEIGHT - height;
    svg += `<rect x="${x}" y="${y}" width="${BAR}" height="${height}"><title>${i}:00: ${hour.delayed} of ${hour.flights} flights</title></rect>`;
    if (hour.flights > 0) svg += text(x, y - 4, percent);
    svg += text(x, HEIGHT + 2 * LABELS - 4, i);
  }
  return ok(svg + "</svg>");
}

function text(x: i32, y: i32, value: i32): string {
  return `<text x="${x + BAR / 2}" y="${y}" text-anchor="middle" font-size="11">${value}</text>`;
}

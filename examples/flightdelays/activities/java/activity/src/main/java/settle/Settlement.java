package settle;

import dev.wasmworker.ActivityMethod;
import dev.wasmworker.ApplicationFailure;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/** Settles the claims that were priced chunk by chunk. */
public final class Settlement {
    private Settlement() {
    }

    /** The claims of a chunk, as PriceClaims returns them. */
    public record Claims(List<Sum> bands, Map<String, Long> routes) {
    }

    /** What some flights cost. */
    public record Sum(int flights, long euros) {
        Sum plus(Sum other) {
            return new Sum(Math.addExact(flights, other.flights), Math.addExact(euros, other.euros));
        }
    }

    /** What the flights of a route cost. */
    public record Route(String route, long euros) {
    }

    /** The claims of all chunks. */
    public record Total(int flights, long euros, List<Sum> bands, List<Route> routes) {
    }

    private static final int TOP_ROUTES = 10;

    /** Adds up the claims of all chunks, and finds the routes that cost most. */
    @ActivityMethod(name = "TotalClaims")
    public static Total totalClaims(List<Claims> chunks) {
        List<Sum> bands = new ArrayList<>();
        Map<String, Long> routes = new TreeMap<>();
        for (Claims chunk : chunks) {
            if (!bands.isEmpty() && chunk.bands().size() != bands.size()) {
                throw ApplicationFailure.newNonRetryableFailure("the chunks were priced with different tariffs", "MixedTariffs");
            }
            for (int i = 0; i < chunk.bands().size(); i++) {
                Sum band = chunk.bands().get(i);
                if (i < bands.size()) {
                    bands.set(i, bands.get(i).plus(band));
                } else {
                    bands.add(band);
                }
            }
            chunk.routes().forEach((route, euros) -> routes.merge(route, euros, Math::addExact));
        }
        Sum all = bands.stream().reduce(new Sum(0, 0), Sum::plus);
        // The names are in order, and a sort keeps that between equal sums. So the order of the chunks does not matter.
        List<Route> costliest = routes.entrySet().stream()
                .map(entry -> new Route(entry.getKey(), entry.getValue()))
                .sorted(Comparator.comparingLong(Route::euros).reversed())
                .limit(TOP_ROUTES)
                .toList();
        return new Total(all.flights(), all.euros(), bands, costliest);
    }
}

package settle;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.wasmworker.ApplicationFailure;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import settle.Settlement.Claims;
import settle.Settlement.Route;
import settle.Settlement.Sum;
import settle.Settlement.Total;

class SettlementTest {
    @Test
    void addsUp() {
        Claims one = new Claims(List.of(new Sum(1, 250), new Sum(2, 800)), Map.of("LAX-BNA", 250L, "HNL-SFO", 400L));
        Claims other = new Claims(List.of(new Sum(1, 250), new Sum(0, 0)), Map.of("LAX-BNA", 150L));
        Total total = Settlement.totalClaims(List.of(one, other));
        assertEquals(new Total(4, 1300, List.of(new Sum(2, 500), new Sum(2, 800)),
                List.of(new Route("HNL-SFO", 400), new Route("LAX-BNA", 400))), total);
        assertEquals(new Total(0, 0, List.of(), List.of()), Settlement.totalClaims(List.of()));
    }

    @Test
    void refusesDifferentTariffs() {
        List<Claims> mixed = List.of(new Claims(List.of(new Sum(1, 1)), Map.of()), new Claims(List.of(), Map.of()));
        ApplicationFailure failure = assertThrows(ApplicationFailure.class, () -> Settlement.totalClaims(mixed));
        assertEquals("MixedTariffs", failure.getType());
    }
}

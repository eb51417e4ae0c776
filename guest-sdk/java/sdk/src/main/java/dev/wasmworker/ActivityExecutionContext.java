package dev.wasmworker;

import dev.wasmworker.internal.Abi;
import dev.wasmworker.internal.Host;
import dev.wasmworker.internal.Payloads;
import dev.wasmworker.json.Json;
import dev.wasmworker.json.JsonException;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** The surroundings of one attempt of an activity. Not to be kept beyond it. */
public final class ActivityExecutionContext {
    private final Host host;
    private ActivityInfo info;

    /** For the SDK itself. */
    public ActivityExecutionContext(Host host) {
        this.host = host;
    }

    /** Returns what is known of this attempt. */
    public ActivityInfo getInfo() {
        if (info == null) {
            info = new ActivityInfo(Json.parse(host.info()));
        }
        return info;
    }

    /** Returns what Temporal and the worker want of the activity. Cheap enough for a loop; a heartbeat learns more. */
    public ActivityStatus getStatus() {
        return new ActivityStatus(host.status());
    }

    /**
     * Tells Temporal that the activity is alive, and how far it is. May be called as often as you like: the worker throttles what it
     * sends. From the first call on, the heartbeat timeout is the activity's to keep; until then the worker keeps it.
     *
     * @param details values that {@link Json#of} takes, or {@link Payload}s; the next attempt finds them
     * @return what Temporal and the worker want of the activity; only {@link ActivityStatus#isWorkerStopping} can be set
     * @throws CanceledFailure if the activity has to end: it was cancelled, paused or reset, or Temporal does not wait any more
     * @throws ApplicationFailure of type {@code OutputTooLarge} if the details are larger than the output limit
     */
    public ActivityStatus heartbeat(Object... details) {
        for (Object detail : details) {
            Payload payload = Payloads.of(detail);
            if (!host.heartbeatDetail(payload.getData(), payload.getEncoding())) {
                throw ApplicationFailure.newNonRetryableFailure("the heartbeat's details are too large", Abi.TYPE_OUTPUT_TOO_LARGE);
            }
        }
        ActivityStatus status = new ActivityStatus(host.heartbeat());
        if (status.isStopRequested()) {
            throw new CanceledFailure();
        }
        return status;
    }

    /** Returns the first detail of the last heartbeat of the attempt before this one, if there is one. */
    public <T> Optional<T> getHeartbeatDetails(Class<T> type) {
        return getHeartbeatDetails(0, type);
    }

    /**
     * Returns a detail of the last heartbeat of the attempt before this one, if there is one.
     *
     * @param index which detail, from 0 on
     * @param type a wrapper class, {@code String}, {@code byte[]}, {@link Json}, {@link Payload}, or a record with a codec
     * @throws ApplicationFailure of type {@code InvalidInput} if the detail is of another type, or of an encoding that is not read
     */
    public <T> Optional<T> getHeartbeatDetails(int index, Class<T> type) {
        if (index < 0 || index >= host.detailCount()) {
            return Optional.empty();
        }
        try {
            return Optional.ofNullable(Payloads.to(new Payload(host.detail(index), host.detailEncoding(index)), type));
        } catch (JsonException e) {
            throw Payloads.invalid("heartbeat detail " + index, e);
        }
    }

    /** Returns all details of the last heartbeat of the attempt before this one. */
    public List<Payload> getHeartbeatDetails() {
        List<Payload> details = new ArrayList<>();
        int count = host.detailCount();
        for (int i = 0; i < count; i++) {
            details.add(new Payload(host.detail(i), host.detailEncoding(i)));
        }
        return details;
    }
}

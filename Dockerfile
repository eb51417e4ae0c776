# The worker in an image that has nothing else. It serves the modules of /modules:
#
#   docker build --build-arg VERSION=v1.2.3 --tag wasmworker .
#   docker build --build-arg TAGS=omit_gcs,omit_azure --tag wasmworker .    # smaller: docs/operations.md
#   docker run --rm --volume ./acts:/modules:ro --env TEMPORAL_ADDRESS=temporal:7233 wasmworker
FROM golang:1.26-bookworm AS build
ARG VERSION=
ARG TAGS=
WORKDIR /src
COPY . .
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    GOWORK=off CGO_ENABLED=0 go build -C cmd/wasmworker -trimpath -tags="${TAGS}" -ldflags="-s -w -X main.version=${VERSION}" -o /out/wasmworker . \
 && mkdir -p /out/cache /out/tmp

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/cache /cache
COPY --from=build --chown=65532:65532 /out/tmp /tmp
COPY --from=build /out/wasmworker /wasmworker
# A number, since there is no /etc/passwd, and since Kubernetes' runAsNonRoot compares numbers.
USER 65532:65532
# Mount a volume here to have compiled modules when a container starts anew. It holds machine code.
ENV WASMWORKER_CACHE_DIR=/cache
ENV WASMWORKER_HEALTH_ADDRESS=:8080
EXPOSE 8080
# There is no HEALTHCHECK: it would need a program in the image that asks, and the worker has no such command. Let the
# platform ask /healthz and /readyz.
ENTRYPOINT ["/wasmworker"]
CMD ["serve", "--modules", "/modules"]

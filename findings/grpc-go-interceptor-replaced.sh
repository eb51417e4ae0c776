#!/bin/sh
# In grpc-go, a second WithUnaryInterceptor removes the first from a client without a word. A server that is
# given two with the option of the same kind panics.
#
# Date:      2026-11-30
# Versions:  google.golang.org/grpc 1.83.2, Go 1.26
# Expected:  A program hands a list of dial options to two libraries, and each appends an interceptor, for metrics and for
#            credentials, say. Both run; or grpc.NewClient returns an error; or it panics, as grpc.NewServer does, which says
#            "The unary server interceptor was already set and may not be reset."
# Seen:      Only the last one runs. grpc.NewClient returns no error. The comment on WithUnaryInterceptor does not tell.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT TERM
cd "$dir"

cat >main.go <<'GO'
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
)

var ran []string

func client(name string) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, reply any, cc *grpc.ClientConn, invoker grpc.UnaryInvoker, opts ...grpc.CallOption) error {
		ran = append(ran, name)
		return invoker(ctx, method, req, reply, cc, opts...)
	}
}

func server(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	return handler(ctx, req)
}

// call makes a call with dial options and returns which interceptors ran.
func call(address string, options ...grpc.DialOption) string {
	ran = nil
	conn, err := grpc.NewClient(address, append(options, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	check(err)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	_, err = healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{})
	check(err)
	return strings.Join(ran, ", ")
}

// serve tells whether a server with two interceptors can be made.
func serve() (panicked any) {
	defer func() { panicked = recover() }()
	grpc.NewServer(grpc.UnaryInterceptor(server), grpc.UnaryInterceptor(server))
	return nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	s := grpc.NewServer()
	healthpb.RegisterHealthServer(s, health.NewServer())
	go s.Serve(listener)
	defer s.Stop()
	address := listener.Addr().String()

	with := call(address, grpc.WithUnaryInterceptor(client("first")), grpc.WithUnaryInterceptor(client("second")))
	chained := call(address, grpc.WithChainUnaryInterceptor(client("first")), grpc.WithChainUnaryInterceptor(client("second")))
	panicked := serve()
	fmt.Println("WithUnaryInterceptor twice runs:", with)
	fmt.Println("WithChainUnaryInterceptor twice runs:", chained)
	fmt.Println("UnaryInterceptor twice at a server panics:", panicked)
	if with != "second" || chained != "first, second" || panicked == nil {
		fmt.Println("not as it was seen: the client silently keeps the last, and the server panics")
		os.Exit(1)
	}
}

func check(err error) {
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}
GO
GOWORK=off GOFLAGS=
export GOWORK GOFLAGS
go mod init example.com/finding >/dev/null 2>&1
go get google.golang.org/grpc@v1.83.2 >get.log 2>&1 || { cat get.log; exit 1; }
go mod tidy >get.log 2>&1 || { cat get.log; exit 1; }
go build -o finding . && ./finding

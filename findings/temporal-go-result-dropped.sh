#!/bin/sh
# The Temporal Go SDK gives up the result of a finished activity after 10 s.
#
# Date:      2026-11-30
# Versions:  go.temporal.io/sdk 1.50.0, go.temporal.io/api 1.63.5, google.golang.org/grpc 1.83.2, Go 1.26
# Expected:  The service answers `Unavailable` for 15 s, as in a restart, while an activity ends. Its start-to-close
#            timeout is 10 minutes, so the worker has all that time to report the result, and polls go on meanwhile.
# Seen:      The SDK tries five times in 7 s or so, waits until 10 s are over, and drops the result. (The deadline of one call,
#            `defaultRPCTimeout`, spans all its tries; the 60 s of the retry policy are never reached.) Even with the service
#            back, the server can only time the attempt out and hand the work out again. What is left in the worker
#            is one record at level Info, which many programs do not keep, that has neither the id nor the
#            type of the activity, nor its workflow.
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
	"sync"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

const outage = 15 * time.Second

// frontend is a service with one activity task. It is unavailable for a while from the first report on.
type frontend struct {
	workflowservice.UnimplementedWorkflowServiceServer
	task chan struct{}

	sync.Mutex
	reports   []time.Duration // since the first one
	first     time.Time
	delivered bool
}

func (f *frontend) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{}}, nil
}

func (f *frontend) DescribeNamespace(context.Context, *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{}, nil
}

func (f *frontend) PollActivityTaskQueue(ctx context.Context, _ *workflowservice.PollActivityTaskQueueRequest) (*workflowservice.PollActivityTaskQueueResponse, error) {
	select {
	case <-f.task:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	now := timestamppb.Now()
	return &workflowservice.PollActivityTaskQueueResponse{
		TaskToken:         []byte("token"),
		WorkflowNamespace: "default",
		WorkflowType:      &commonpb.WorkflowType{Name: "workflow-type"},
		WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: "workflow-id", RunId: "run-id"},
		ActivityType:      &commonpb.ActivityType{Name: "activity-type"},
		ActivityId:        "activity-id",
		Attempt:           1,
		ScheduledTime:     now, StartedTime: now, CurrentAttemptScheduledTime: now,
		ScheduleToCloseTimeout: durationpb.New(10 * time.Minute),
		StartToCloseTimeout:    durationpb.New(10 * time.Minute),
		HeartbeatTimeout:       durationpb.New(0),
	}, nil
}

func (f *frontend) RespondActivityTaskCompleted(context.Context, *workflowservice.RespondActivityTaskCompletedRequest) (*workflowservice.RespondActivityTaskCompletedResponse, error) {
	f.Lock()
	defer f.Unlock()
	if f.first.IsZero() {
		f.first = time.Now()
	}
	since := time.Since(f.first)
	f.reports = append(f.reports, since)
	if since < outage {
		return nil, status.Error(codes.Unavailable, "restarting")
	}
	f.delivered = true
	return &workflowservice.RespondActivityTaskCompletedResponse{}, nil
}

// records keeps what is logged.
type records struct {
	sync.Mutex
	lines []string
}

func (r *records) add(level, message string, pairs []any) {
	r.Lock()
	defer r.Unlock()
	r.lines = append(r.lines, strings.TrimSpace(level+" "+message+" "+fmt.Sprintln(pairs...)))
}
func (r *records) Debug(m string, p ...any) {}
func (r *records) Info(m string, p ...any)  { r.add("INFO", m, p) }
func (r *records) Warn(m string, p ...any)  { r.add("WARN", m, p) }
func (r *records) Error(m string, p ...any) { r.add("ERROR", m, p) }

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	check(err)
	f := &frontend{task: make(chan struct{}, 1)}
	f.task <- struct{}{}
	server := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(server, f)
	go server.Serve(listener)
	defer server.Stop()

	log := &records{}
	c, err := client.Dial(client.Options{HostPort: listener.Addr().String(), Logger: log})
	check(err)
	defer c.Close()
	w := worker.New(c, "queue", worker.Options{DisableWorkflowWorker: true})
	w.RegisterActivityWithOptions(func(context.Context) (string, error) { return "done", nil }, activity.RegisterOptions{Name: "activity-type"})
	check(w.Start())
	time.Sleep(outage + 15*time.Second) // ample for the SDK to come back to it
	f.Lock()
	defer f.Unlock()
	log.Lock()
	defer log.Unlock()

	if len(f.reports) == 0 {
		fmt.Println("the activity was not reported at all")
		os.Exit(1)
	}
	last := f.reports[len(f.reports)-1]
	fmt.Printf("reports: %d, the last after %.1f s; service unavailable for %.0f s; delivered: %t\n", len(f.reports), last.Seconds(), outage.Seconds(), f.delivered)
	var louder, named, failures int
	for _, line := range log.lines {
		fmt.Println("logged:", line)
		if !strings.HasPrefix(line, "INFO") {
			louder++
		}
		if strings.Contains(line, "failed") {
			failures++
		}
		if strings.Contains(line, "activity-id") || strings.Contains(line, "activity-type") || strings.Contains(line, "workflow-id") {
			named++
		}
	}
	if f.delivered || last > 11*time.Second || len(f.reports) < 3 || louder != 0 || failures != 1 || named != 0 {
		fmt.Println("not as it was seen: no report after 10 s, and one record about it, at level Info, that names nothing")
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
go get go.temporal.io/sdk@v1.50.0 go.temporal.io/api@v1.63.5 google.golang.org/grpc@v1.83.2 >get.log 2>&1 || { cat get.log; exit 1; }
go mod tidy >get.log 2>&1 || { cat get.log; exit 1; }
go build -o finding . && ./finding

// Nativeworker is what wasmworker is compared with: a Temporal worker with the same
// activities in Go itself, and the settings that wasmworker gives its own worker. It
// serves until a signal comes.
package main

import (
	"flag"
	"log"
	"log/slog"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"

	"github.com/wasmworker/wasmworker/bench/order"
)

func main() {
	address := flag.String("address", "127.0.0.1:7233", "the Temporal server")
	queue := flag.String("task-queue", "native", "the task queue to poll")
	flag.Parse()
	c, err := client.Dial(client.Options{HostPort: *address, Logger: sdklog.NewStructuredLogger(slog.New(slog.DiscardHandler))})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	w := worker.New(c, *queue, worker.Options{
		MaxConcurrentActivityExecutionSize: 100,
		DisableWorkflowWorker:              true,
	})
	w.RegisterActivity(order.Price)
	w.RegisterActivity(order.Greet)
	if err := w.Run(worker.InterruptCh()); err != nil {
		log.Fatal(err)
	}
}

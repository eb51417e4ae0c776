//go:build unix

package host_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/client"
	sdklog "go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
	"google.golang.org/grpc"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// In your program these are the address of your Temporal server and your directory of
// modules.
var (
	address   = func() string { return testbed.Shared(testbed.ForExample).Address }
	directory = func() string { return testbed.Root(testbed.ForExample) + "/testdata/wat/echo.wasm" }
)

// A worker in daemon mode: Start returns once it polls.
func Example() {
	options := host.DefaultOptions()
	options.Modules = []string{directory()}
	options.MaxConcurrentActivities = 8
	options.GracefulShutdownTimeout = time.Minute
	options.ClientOptions.HostPort = address()
	options.TaskQueue = "example"
	h, err := host.New(options)
	if err != nil {
		log.Fatal(err) // names every module and option that is wrong
	}
	ctx := context.Background()
	if err := h.Start(ctx); err != nil {
		log.Fatal(err)
	}

	handle, err := h.Client().ExecuteActivity(ctx, client.StartActivityOptions{
		ID: "example-echo", TaskQueue: h.TaskQueue(), StartToCloseTimeout: time.Minute,
	}, "Echo", "hello")
	if err != nil {
		log.Fatal(err)
	}
	var result string
	if err := handle.Get(ctx, &result); err != nil {
		log.Fatal(err)
	}
	fmt.Println(result)
	fmt.Println(h.Activities(), h.Limit())

	if err := h.Stop(ctx); err != nil {
		log.Fatal(err)
	}
	// Output:
	// hello
	// [Args Echo Info] 8
}

// Any Temporal worker gets the activities of modules with one line, beside its own
// workflows, which call them by name.
func ExamplePlugin() {
	options := host.DefaultPluginOptions()
	options.Modules = []string{directory()}
	wasm, err := host.NewPlugin(options)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.Dial(client.Options{
		HostPort: address(),
		Logger:   sdklog.NewStructuredLogger(slog.Default()),
		// So that results outlive an outage of Temporal.
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{wasm.DialOption()}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	w := worker.New(c, "example-plugin", worker.Options{
		Plugins: []worker.Plugin{wasm}, // the one line
	})
	w.RegisterWorkflowWithOptions(shout, workflow.RegisterOptions{Name: "Shout"})
	if err := w.Start(); err != nil {
		log.Fatal(err)
	}
	defer w.Stop()

	run, err := c.ExecuteWorkflow(context.Background(), client.StartWorkflowOptions{TaskQueue: "example-plugin"}, "Shout", "hello")
	if err != nil {
		log.Fatal(err)
	}
	var result string
	if err := run.Get(context.Background(), &result); err != nil {
		log.Fatal(err)
	}
	fmt.Println(result)
	// Output: HELLO
}

func shout(ctx workflow.Context, text string) (string, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var echoed string
	err := workflow.ExecuteActivity(ctx, "Echo", text).Get(ctx, &echoed)
	return strings.ToUpper(echoed), err
}

// GreeterPolicy is what an activity module may do. The zero value is nothing.
type GreeterPolicy struct {
	// Names are those that may be greeted. Default: none.
	Names []string `yaml:"names" json:"names,omitempty"`
}

// greet greets whom the policy of the calling activity module has.
func greet(ctx context.Context, call *passthrough.Call, name []byte) ([]byte, error) {
	policy := passthrough.PolicyOf[GreeterPolicy](call)
	if !slices.Contains(policy.Names, string(name)) {
		return nil, passthrough.Deny("greeting "+string(name), "names of the greeter policy do not have it")
	}
	return append([]byte("hello, "), name...), nil
}

// A passthrough module of your own: guests import it as wasmworker:greeter/v1, and only
// modules that it was granted to can be loaded with that import.
func ExamplePassthroughModule() {
	greeter := host.PassthroughModule{
		Name:      "greeter",
		Functions: map[string]passthrough.Func{"hello": greet},
		Policy:    &GreeterPolicy{},
	}
	options := host.DefaultOptions()
	options.Modules = []string{directory()}
	options.Passthrough = []host.PassthroughModule{greeter}
	options.PerModule = map[string]host.ModuleOptions{"echo": {
		Passthrough: []string{"greeter"},
		Policies:    map[string]any{"greeter": &GreeterPolicy{Names: []string{"Ada"}}},
	}}
	h, err := host.New(options)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(h.PassthroughModules()[0].ImportName())
	// Output: wasmworker:greeter/v1
}

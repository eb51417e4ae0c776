package bench

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"go.temporal.io/sdk/client"

	"github.com/wasmworker/wasmworker/bench/order"
	"github.com/wasmworker/wasmworker/internal/testbed"
)

// used is how many of the modules of BenchmarkModules have activities.
const used = 10

// BenchmarkModules measures what a worker costs by the number of its modules, no two of
// which have the same code: time from the start of its process to the end of an activity,
// and its resident memory when some modules have been used. An operation is both starts.
func BenchmarkModules(b *testing.B) {
	server := testbed.Shared(b)
	c := server.Client(b)
	module, err := os.ReadFile(guest(b, "go"))
	if err != nil {
		b.Fatal(err)
	}
	for _, n := range []int{1, 10, 50, 200} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			dir := b.TempDir()
			config, cache := variants(b, dir, module, n), filepath.Join(dir, "cache")
			for b.Loop() {
				if err := os.RemoveAll(cache); err != nil {
					b.Fatal(err)
				}
				first, firstRSS := startMany(b, server, c, config, cache, "none", n)
				second, secondRSS := startMany(b, server, c, config, cache, "used", n)
				b.ReportMetric(float64(first.Milliseconds()), "first-ms")
				b.ReportMetric(float64(second.Milliseconds()), "second-ms")
				b.ReportMetric(firstRSS, "first-MiB")
				b.ReportMetric(secondRSS, "second-MiB")
			}
			b.ReportMetric(folderSize(b, cache)/1e6/float64(min(n, used)), "cache-MB")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// startMany starts a worker, and returns how long its first activity took, and its resident
// memory in MiB when all used modules have had one.
func startMany(b *testing.B, server *testbed.Server, c client.Client, config, cache, preload string, n int) (time.Duration, float64) {
	b.Helper()
	queue := uuid.NewString()
	execute := func(i int) client.ActivityHandle {
		handle, err := c.ExecuteActivity(b.Context(), client.StartActivityOptions{
			ID: uuid.NewString(), TaskQueue: queue, ScheduleToCloseTimeout: 5 * time.Minute,
		}, fmt.Sprintf("m%d.Price", i), order.Sample())
		if err != nil {
			b.Fatal(err)
		}
		return handle
	}
	wait := func(handle client.ActivityHandle, process *testbed.Process) {
		ctx, cancel := context.WithTimeout(b.Context(), 5*time.Minute)
		defer cancel()
		var out order.Invoice
		if err := handle.Get(ctx, &out); err != nil {
			b.Fatal(err, process.Stderr())
		}
	}
	waiting := execute(0)
	cmd := exec.Command(build(b, "wasmworker", "../cmd/wasmworker", nil), "serve", "--address", server.Address, "--task-queue", queue,
		"--cache-dir", cache, "--log-level", "warn", "--config", config, "--preload", preload)
	cmd.Env = testbed.CleanEnv()
	begin := time.Now()
	process := testbed.Start(b, cmd)
	wait(waiting, process)
	took := time.Since(begin)
	for i := range min(n, used) {
		wait(execute(i), process)
	}
	rss := residentMiB(b, cmd.Process.Pid)
	process.Stop()
	return took, rss
}

// variants writes modules whose code differs, and a configuration file that serves them.
func variants(b *testing.B, dir string, module []byte, n int) string {
	b.Helper()
	type own struct {
		Prefix string `json:"prefix"`
	}
	config := struct {
		Modules   []string       `json:"modules"`
		PerModule map[string]own `json:"per_module"`
	}{PerModule: map[string]own{}}
	for i := range n {
		name := fmt.Sprintf("m%d", i)
		file := filepath.Join(dir, name+".wasm")
		if err := os.WriteFile(file, withFunction(module, byte(i/64), byte(i%64)), 0o600); err != nil {
			b.Fatal(err)
		}
		config.Modules = append(config.Modules, file)
		config.PerModule[name] = own{name + "."}
	}
	text, err := json.Marshal(config)
	if err != nil {
		b.Fatal(err)
	}
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		b.Fatal(err)
	}
	return path
}

// withFunction adds a function of the module's first type, which nothing calls, that has two
// constants below 64 in it.
func withFunction(module []byte, a, b byte) []byte {
	const functions, code = 3, 10
	body := []byte{0, 0x41, a, 0x1a, 0x41, b, 0x1a, 0x00, 0x0b} // i32.const, drop, twice, and unreachable
	out := append([]byte{}, module[:8]...)
	for rest := module[8:]; len(rest) > 0; {
		id := rest[0]
		size, length := binary.Uvarint(rest[1:])
		content := rest[1+length:][:size]
		rest = rest[1+length+int(size):]
		if id == functions || id == code {
			count, length := binary.Uvarint(content)
			entry := []byte{0}
			if id == code {
				entry = append([]byte{byte(len(body))}, body...)
			}
			content = append(append(binary.AppendUvarint(nil, count+1), content[length:]...), entry...)
		}
		out = append(binary.AppendUvarint(append(out, id), uint64(len(content))), content...)
	}
	return out
}

func folderSize(b *testing.B, folder string) (bytes float64) {
	b.Helper()
	err := filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += float64(info.Size())
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}

func residentMiB(b *testing.B, pid int) float64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

//go:build unix

package main_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/wasmworker/wasmworker/internal/testbed"
)

// startDev runs `wasmworker dev` with a server program of the given name on its PATH.
func startDev(t *testing.T, serverName string, args ...string) *testbed.Process {
	t.Helper()
	path := t.TempDir()
	if serverName != "" {
		if err := os.Symlink(testbed.DevServer(t), filepath.Join(path, serverName)); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(testbed.Program(t), append([]string{"dev", "--modules", wat(t, "echo"), "--log-format", "json"}, args...)...)
	cmd.Env = append(testbed.CleanEnv(), "PATH="+path)
	return testbed.Start(t, cmd)
}

// field waits for a line of dev's output and returns what it says.
func field(t *testing.T, p *testbed.Process, name string) (value string) {
	t.Helper()
	testbed.Eventually(t, "dev prints "+name, func() error {
		if exited, code := p.Exited(); exited {
			t.Fatalf("dev ended with code %d: %s", code, p.Stderr())
		}
		for line := range strings.Lines(p.Stdout()) {
			if after, ok := strings.CutPrefix(line, name+":"); ok {
				value = strings.TrimSpace(after)
				return nil
			}
		}
		return errors.New("not there")
	})
	return value
}

// dev works with our server, and with a temporal CLI, for which ours stands in: it takes
// the same arguments.
func TestDev(t *testing.T) {
	for _, name := range []string{"wasmworker-devserver", "temporal"} {
		t.Run(name, func(t *testing.T) {
			p := startDev(t, name, "--port", "0", "--ui-port", "0", "--namespace", "playground")
			address, ui, try := field(t, p, "Temporal server"), field(t, p, "Temporal UI"), field(t, p, "Try")
			response, err := http.Get(ui)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Errorf("the UI answers %s", response.Status)
			}
			got := command{args: strings.Fields(try)[1:]}.run(t) // without the program's own name
			if got.code != 0 {
				t.Errorf("%q: %+v", try, got)
			}
			p.Signal(syscall.SIGINT)
			if code := p.Wait(t); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			lines := strings.Split(strings.TrimSpace(p.Stderr()), "\n")
			if last := lines[len(lines)-1]; !strings.Contains(last, `"stopped"`) {
				t.Errorf("the last of it is %s", last)
			}
			if c, err := net.Dial("tcp", address); err == nil {
				c.Close()
				t.Error("the server goes on after dev has ended")
			}
		})
	}
}

func TestDevSaysWhichPortIsTaken(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := fmt.Sprint(l.Addr().(*net.TCPAddr).Port)
	p := startDev(t, "wasmworker-devserver", "--port", port, "--ui-port", "0")
	if code := p.Wait(t); code != 1 || !strings.Contains(p.Stderr(), port) || !strings.Contains(p.Stderr(), "--port") {
		t.Errorf("exit code %d, want 1 and a message that names the port:\n%s", code, p.Stderr())
	}
}

// When dev is killed its server ends too.
func TestDevServerDoesNotOutliveDev(t *testing.T) {
	p := startDev(t, "wasmworker-devserver", "--port", "0", "--ui-port", "0")
	address := field(t, p, "Temporal server")
	p.Signal(syscall.SIGKILL)
	p.Wait(t)
	testbed.Eventually(t, "the server has ended", func() error {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return errors.New("it listens")
		}
		return nil
	})
}

package testbed

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// S3 is a server of S3's protocol, in a process of its own. Its objects are in a
// directory.
type S3 struct {
	Endpoint  string // http://127.0.0.1:port
	Region    string
	AccessKey string
	SecretKey string
	process   *Process
}

// StartS3 starts a server with buckets. It ends with the test. Its program is versitygw,
// in the repository's bin directory or on the PATH. If there is none, the test is
// skipped, or fails if WASMWORKER_TEST_REQUIRE is "all".
func StartS3(t testing.TB, buckets ...string) *S3 {
	t.Helper()
	program := filepath.Join(Root(t), "bin", "versitygw")
	if _, err := os.Stat(program); err != nil {
		if program, err = exec.LookPath("versitygw"); err != nil {
			const missing = "NOT TESTED: there is no S3 server: versitygw is neither in bin nor on the PATH"
			if os.Getenv("WASMWORKER_TEST_REQUIRE") == "all" {
				t.Fatal(missing)
			}
			fmt.Fprintln(os.Stderr, t.Name()+": "+missing)
			t.Skip(missing)
		}
	}
	dir := t.TempDir()
	for _, bucket := range buckets {
		if err := os.Mkdir(filepath.Join(dir, bucket), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	address := fmt.Sprintf("127.0.0.1:%d", FreePort(t))
	s := &S3{Endpoint: "http://" + address, Region: "us-east-1", AccessKey: "testbed", SecretKey: "testbed-not-to-be-seen"}
	// Connections stay open, as with other servers, so that tests find connections that
	// are not closed.
	cmd := exec.Command(program, "--port", address, "--region", s.Region, "--keep-alive", "--quiet", "posix", dir)
	cmd.Env = append(CleanEnv(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	s.process = Start(t, cmd)
	t.Cleanup(s.Thaw) // runs before the stop, which a frozen server would not notice
	client := http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	Eventually(t, "the S3 server answers", func() error {
		if exited, code := s.process.Exited(); exited {
			t.Fatalf("the S3 server ended with code %d: %s", code, s.process.Stderr())
		}
		response, err := client.Get(s.Endpoint)
		if err == nil {
			response.Body.Close()
		}
		return err
	})
	return s
}

// Freeze stops the server without ending it: connections stay, and nothing answers.
func (s *S3) Freeze() { s.process.Signal(syscall.SIGSTOP) }

// Thaw lets a frozen server go on.
func (s *S3) Thaw() { s.process.Signal(syscall.SIGCONT) }

// Kill ends the server at once.
func (s *S3) Kill() {
	s.process.Signal(syscall.SIGKILL)
	<-s.process.exited
}

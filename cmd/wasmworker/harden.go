package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"

	"github.com/wasmworker/wasmworker/host"
	"github.com/wasmworker/wasmworker/host/passthrough/fsmod"
)

// needs are what of the machine serve was configured with, and all that it keeps when it
// is hardened: a guest that got out of its sandbox, by a hole in the engine, would find
// no more.
type needs struct {
	read  []string // files, or directories with all in them
	write []string // directories
	// clear are directories in which directories can be removed that are empty.
	clear []string
	// connect are the TCP ports of others. Nil: any.
	connect []uint16
	// wrong are settings whose rules would be for all files, which nobody may have meant.
	wrong []error
}

// errCannotHarden is wrapped by what harden returns where the system has nothing for it.
var errCannotHarden = errors.New("this system cannot do it")

// errWrong is wrapped by what harden returns for settings that it cannot make rules of.
var errWrong = errors.New("what the settings name cannot be kept apart from the rest")

// hardening is what --harden says.
type hardening string

const (
	hardenAuto hardening = "auto"
	hardenOn   hardening = "on"
	hardenOff  hardening = "off"
)

// harden leaves the process what it needs, for good. It is called before any guest runs.
// The files that it makes room for are made before, since rules are for what is there.
func (s *server) harden() error {
	if s.hardening == hardenOff || s.hardening == "" {
		return nil
	}
	n := s.needs()
	if err := s.makeTemporary(&n); err != nil {
		return err
	}
	left, err := n.harden()
	switch {
	case err == nil:
		s.logger.Info("hardened: this process keeps what it was configured with", "by", left)
	case errors.Is(err, errWrong):
		return fmt.Errorf("--harden: %w; or give --harden off", err)
	case s.hardening == hardenAuto && errors.Is(err, errCannotHarden):
		s.logger.Debug("not hardened", "reason", err)
	case s.hardening == hardenAuto:
		s.logger.Warn("not hardened; --harden on refuses to start then, and --harden off tries nothing", "error", err)
	default:
		return fmt.Errorf("--harden: %w; --harden off goes on without", err)
	}
	return nil
}

// makeTemporary makes a directory for temporary files, if there can be one. Without, there
// are none, as without hardening.
func (s *server) makeTemporary(n *needs) error {
	for _, parent := range []string{os.TempDir(), "/dev/shm"} { // as package sandbox
		temporary, err := os.MkdirTemp(parent, "wasmworker-")
		if err != nil {
			continue
		}
		s.temporary = temporary
		n.write, n.clear = append(n.write, temporary), append(n.clear, filepath.Dir(temporary)) // cleanUp removes it
		// what the libraries make goes there, too
		for _, variable := range []string{"TMPDIR", "SQLITE_TMPDIR"} {
			if err := os.Setenv(variable, temporary); err != nil {
				return err
			}
		}
		break
	}
	return nil
}

// system is what Go's resolver, its TLS and its clocks read, and the memory of this
// process and its container.
var system = []string{
	"/etc", "/usr/share/zoneinfo", "/usr/share/ca-certificates", "/usr/local/share/ca-certificates", "/usr/local/etc/ssl",
	"/usr/lib/ssl", "/var/lib/ca-certificates", "/run/systemd/resolve", "/run/resolvconf", "/run/NetworkManager",
	"/proc/self", "/proc/meminfo", "/proc/sys/vm", "/proc/sys/net", "/sys", "/dev/null", "/dev/zero", "/dev/random", "/dev/urandom",
}

// linked are files of these that may be links to anywhere: WSL and NixOS have some.
var linked = []string{
	"/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem", "/etc/ssl/cert.pem",
}

// cloud is where the SDKs of object stores find the worker's own identity, below the home
// directory and by the variables that name it.
var (
	cloudHome = []string{".aws", ".config/gcloud", ".azure"}
	cloudEnv  = []string{
		"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CA_BUNDLE",
		"GOOGLE_APPLICATION_CREDENTIALS", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_CERTIFICATE_PATH",
	}
)

// needs collects what the settings name.
func (s *server) needs() needs {
	n := needs{read: slices.Clone(system), connect: []uint16{53}}
	for _, variable := range []string{"SSL_CERT_FILE", "SSL_CERT_DIR", "ZONEINFO"} {
		for _, path := range filepath.SplitList(os.Getenv(variable)) {
			n.readFrom(path)
		}
	}
	for _, file := range linked {
		n.readFrom(file)
	}
	n.read = append(n.read, s.paths...)
	for _, file := range s.tlsFiles {
		n.readFrom(file)
	}
	if s.options.CacheDir != "" {
		n.writeTo(s.options.CacheDir)
	}
	if s.recorder != nil {
		n.writeTo(s.recorder.directory)
	}
	for _, name := range slices.Sorted(maps.Keys(s.config.Secrets)) {
		n.readFrom(s.config.Secrets[name].File)
	}
	n.modules(s.options.Defaults)
	for _, module := range s.options.PerModule {
		n.modules(module)
	}
	n.connections(s.config)
	n.buckets(s.config)
	n.temporal(s.options.ClientOptions)
	n.port(s.codec, "443")
	for _, variable := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		if os.Getenv(variable) != "" {
			n.connect = nil
		}
	}
	return n
}

// readFrom is for a file that may be replaced, as mounted secrets and certificates are: a
// rule for a file is for that one, whatever takes its name later. So it is for the
// directory, unless that is the root, and for those of the files that links lead to.
func (n *needs) readFrom(file string) {
	if file == "" {
		return
	}
	if info, err := os.Stat(file); err == nil && !info.IsDir() {
		for _, directory := range directories(file) {
			if !isRoot(directory) {
				n.read = append(n.read, directory)
			}
		}
	}
	n.read = append(n.read, file)
}

// isRoot tells whether a directory is the root, whatever leads there: a rule for it is one
// for all files.
func isRoot(directory string) bool {
	info, err := os.Stat(directory)
	root, failed := os.Stat("/")
	return err == nil && failed == nil && os.SameFile(info, root)
}

// directories are that of a file and, if the file is a link, those of what it leads to.
func directories(file string) (all []string) {
	for range 40 { // as many links as Linux follows
		directory := filepath.Dir(file)
		all = append(all, directory)
		target, err := os.Readlink(file)
		if err != nil {
			break
		}
		if !filepath.IsAbs(target) {
			if resolved, err := filepath.EvalSymlinks(directory); err == nil {
				directory = resolved // before a .. is taken for what it is written behind
			}
			target = filepath.Join(directory, target)
		}
		file = target
	}
	return all
}

// writeTo makes the directory, if it can, so that there can be a rule for it.
func (n *needs) writeTo(directory string) {
	_ = os.MkdirAll(directory, 0o700) // whoever needs it tells
	n.write = append(n.write, directory)
}

// modules is what modules were granted.
func (n *needs) modules(options host.ModuleOptions) {
	if slices.Contains(options.Passthrough, "http") {
		n.connect = nil // its policies have the hosts, and their ports may be any
	}
	if policy, ok := options.Policies[fsmod.Name].(*fsmod.Policy); ok {
		for _, mount := range policy.Mounts {
			if mount.Write {
				n.write = append(n.write, mount.Directory)
			} else {
				n.read = append(n.read, mount.Directory)
			}
		}
	}
}

// connections are files of SQLite, or servers.
func (n *needs) connections(config *configFile) {
	for _, name := range slices.Sorted(maps.Keys(config.Connections)) {
		connection := config.Connections[name]
		u, err := url.Parse(connection.URL)
		if err != nil {
			continue // it has been reported
		}
		if u.Scheme == "sqlite" || u.Scheme == "file" {
			if path, err := url.PathUnescape(u.Opaque + u.Path); err == nil && path != "" && path != ":memory:" {
				beside := directories(path) // where its journal lies
				if slices.ContainsFunc(beside, isRoot) {
					n.wrong = append(n.wrong, fmt.Errorf("connections.%s: %s: the file lies in the root directory, where SQLite writes its journal, too, so that all files would have to be left writable; move it to a directory of its own", name, path))
					continue
				}
				n.write = append(n.write, beside...)
			}
			continue
		}
		for _, parameter := range []string{"sslrootcert", "sslcert", "sslkey"} {
			n.readFrom(u.Query().Get(parameter))
		}
		ports := strings.Split(u.Query().Get("port"), ",")
		for _, address := range strings.Split(u.Host, ",") {
			_, port, _ := net.SplitHostPort(address)
			ports = append(ports, cmp.Or(port, "5432"))
		}
		if strings.Contains(u.Host, ",") { // the driver sets the port of one alone
			ports = append(ports, os.Getenv("PGPORT"))
		}
		for _, port := range ports {
			n.portNumber(port)
		}
	}
}

// buckets are directories, or places of cloud providers with an identity of the worker's.
func (n *needs) buckets(config *configFile) {
	for _, bucket := range config.Buckets {
		u, err := url.Parse(bucket.URL)
		switch {
		case err != nil || u.Scheme == "mem":
		case u.Scheme == "file":
			n.write = append(n.write, filepath.FromSlash(u.Path))
		default:
			n.connect = nil // the SDKs ask for tokens in many places
			home, _ := os.UserHomeDir()
			for _, path := range cloudHome {
				n.read = append(n.read, filepath.Join(home, path))
			}
			n.read = append(n.read, "/var/run/secrets", "/run/secrets")
			for _, variable := range cloudEnv {
				n.readFrom(os.Getenv(variable))
			}
		}
	}
}

func (n *needs) temporal(options client.Options) {
	address := options.HostPort
	if address == "" {
		address = client.DefaultHostPort
	}
	if i := strings.LastIndex(address, "/"); i >= 0 { // dns:///temporal:7233
		address = address[i+1:]
	}
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		port = "443" // gRPC's own default
	}
	n.portNumber(port)
}

// port is that of a URL.
func (n *needs) port(address, otherwise string) {
	u, err := url.Parse(strings.ReplaceAll(address, "{namespace}", "x")) // as useCodec does
	if err != nil || address == "" {
		return
	}
	switch {
	case u.Port() != "":
		n.portNumber(u.Port())
	case u.Scheme == "http":
		n.portNumber("80")
	default:
		n.portNumber(otherwise)
	}
}

func (n *needs) portNumber(text string) {
	if n.connect == nil || text == "" {
		return
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil { // a service's name
		n.connect = nil
		return
	}
	n.connect = append(n.connect, uint16(number))
}

// hardenBy takes what harden needs to know of the command line.
func (s *server) hardenBy(c *cli.Context, profile envconfig.ClientConfigProfile) error {
	s.hardening = hardening(c.String("harden"))
	if t := profile.TLS; t != nil {
		s.tlsFiles = []string{t.ClientCertPath, t.ClientKeyPath, t.ServerCACertPath}
	}
	s.codec = c.String("codec-endpoint")
	if profile.Codec != nil && s.codec == "" {
		s.codec = profile.Codec.Endpoint
	}
	s.paths = c.StringSlice("modules")
	return nil
}

// cleanUp removes the temporary files.
func (s *server) cleanUp() {
	if s.temporary == "" {
		return
	}
	if err := os.RemoveAll(s.temporary); err != nil {
		s.logger.Debug("temporary files are left", "error", err)
	}
}

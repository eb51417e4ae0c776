package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// errNoRust tells why programs in Rust are left out.
var errNoRust = errors.New("there is no Rust for wasm32-wasip1: run `rustup target add wasm32-wasip1`, or on Debian `make toolchains`")

// module gets the program as a module, unless it is there, and returns its file and size in
// MB.
func (d *driver) module(p program) (path string, size float64, err error) {
	path = filepath.Join(d.directory, p.version, p.name()+".wasm")
	if _, err := os.Stat(path); err != nil {
		made, err := d.get(p)
		if err != nil {
			return "", 0, err
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return "", 0, err
		}
		if err := os.Rename(made, path); err != nil {
			return "", 0, err
		}
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", 0, err
	}
	return path, float64(info.Size()) / 1e6, nil
}

// get gets the program from its registry.
func (d *driver) get(p program) (string, error) {
	switch p.source.registry {
	case goModule.registry:
		return d.install(p)
	case pypi("").registry:
		folder := filepath.Join(d.directory, "pypi", p.pkg)
		return filepath.Join(folder, filepath.FromSlash(p.file)), pip(folder, p.pkg+"=="+p.version)
	default:
		return d.cargo(p)
	}
}

// pip installs packages, without those that they ask for, into a folder.
func pip(folder string, packages ...string) error {
	return do(nil, "python3", append([]string{"-m", "pip", "install", "--quiet", "--no-deps", "--target", folder}, packages...)...)
}

func (d *driver) install(p program) (string, error) {
	cache, err := exec.Command("go", "env", "GOMODCACHE").Output()
	if err != nil {
		return "", err
	}
	path := filepath.Join(d.directory, "go")
	env := []string{"GOWORK=off", "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0", "GOPATH=" + path, "GOMODCACHE=" + strings.TrimSpace(string(cache))}
	return filepath.Join(path, "bin", "wasip1_wasm", p.name()), do(env, "go", "install", "-trimpath", "-ldflags=-s -w", p.pkg+"@"+p.version)
}

// cargo builds a crate with the Rust on PATH if that has the target, and with Debian's
// otherwise, which has the sources of its standard library.
func (d *driver) cargo(p program) (string, error) {
	const target = "wasm32-wasip1"
	root := filepath.Join(d.directory, "rust")
	args := append([]string{"install", "--quiet", "--locked", "--no-track", "--root", root, "--target-dir", filepath.Join(root, "target"),
		"--target", target, p.pkg + "@" + p.version}, p.flags...)
	env := []string{"CARGO_PROFILE_RELEASE_STRIP=true"}
	cargo := "cargo"
	if library, err := exec.Command("rustc", "--print", "target-libdir", "--target", target).Output(); err != nil || !hasStandardLibrary(strings.TrimSpace(string(library))) {
		cargo = "/usr/bin/cargo"
		sysroot, err := exec.Command("/usr/bin/rustc", "--print", "sysroot").Output()
		if err != nil {
			return "", errNoRust
		}
		if _, err := os.Stat(filepath.Join(strings.TrimSpace(string(sysroot)), "lib/rustlib/src/rust/library/std/Cargo.toml")); err != nil {
			return "", errNoRust
		}
		env = append(env, "RUSTC=/usr/bin/rustc", "RUSTC_BOOTSTRAP=1", "RUSTFLAGS=-Lnative=/usr/lib/wasm32-wasi -Cpanic=abort")
		args = append(args, "-Zbuild-std=std,panic_abort")
	}
	return filepath.Join(root, "bin", p.name()+".wasm"), do(env, cargo, args...)
}

func hasStandardLibrary(folder string) bool {
	found, err := filepath.Glob(filepath.Join(folder, "libstd-*.rlib"))
	return err == nil && len(found) > 0
}

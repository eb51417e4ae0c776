"""Runs a WASI command in wasmtime: run.py MODULE STDIN MOUNTS ARG... MOUNTS is a list in
JSON of [directory, path in the guest]. Standard output and the exit code are the
program's; the last line of standard error says that it ended, and not this script.
"""

import json
import sys

import wasmtime


def main():
    path, stdin, mounts, *args = sys.argv[1:]
    engine = wasmtime.Engine()
    module = wasmtime.Module.from_file(engine, path)
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    store = wasmtime.Store(engine)
    wasi = wasmtime.WasiConfig()
    wasi.argv = args
    wasi.stdin_file = stdin
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    for directory, guest in json.loads(mounts):
        wasi.preopen_dir(directory, guest, fs_mutable=False)
    store.set_wasi(wasi)
    code = 0
    try:
        linker.instantiate(store, module).exports(store)["_start"](store)
    except wasmtime.ExitTrap as exit:
        code = exit.code
    sys.stdout.flush()
    print("\nended", file=sys.stderr, flush=True)
    sys.exit(code)


main()

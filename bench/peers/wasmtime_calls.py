"""Calls of a guest in wasmtime, each in an instance of its own.

wasmtime_calls.py MODULE COMPILED COUNT INPUT prints the nanoseconds of a call, in which a
new instance of the pooling allocator is made and initialized, and the last output. Fuel is
counted. COMPILED keeps the compiled code. The functions of the contract do what a host has
to for one argument and one result.
"""

import json
import pathlib
import sys
import time

import wasmtime
from wasmtime import _bindings as c

# The wrapper has no class for this part of wasmtime's API in C.
LIMITS = {
    "total_core_instances": 4,
    "total_memories": 4,
    "total_tables": 4,
    "max_core_instance_size": 4 << 20,
    "table_elements": 100_000,
    "max_memory_size": 64 << 20,
    "linear_memory_keep_resident": 1 << 18,
    "max_unused_warm_slots": 4,
}


def new_engine():
    pool = c.wasmtime_pooling_allocation_config_new()
    for name, value in LIMITS.items():
        getattr(c, f"wasmtime_pooling_allocation_config_{name}_set")(pool, value)
    config = wasmtime.Config()
    config.consume_fuel = True
    c.wasmtime_pooling_allocation_strategy_set(config.ptr(), pool)
    return wasmtime.Engine(config)


class Host:
    def __init__(self, argument):
        self.argument, self.output = argument, bytearray()

    def function(self, name):
        def give(text, caller, dst, cap):
            if len(text) <= cap:
                caller["memory"].write(caller, text, dst)
            return len(text)

        def output_write(caller, pointer, size):
            self.output += caller["memory"].read(caller, pointer, pointer + size)
            return len(self.output)

        return {
            "arg_count": lambda caller: 1,
            "arg_read": lambda caller, index, dst, cap: give(self.argument, caller, dst, cap),
            "arg_encoding": lambda caller, index, dst, cap: give(b"json/plain", caller, dst, cap),
            "arg_metadata": lambda caller, index, dst, cap: give(b'{"encoding":"anNvbi9wbGFpbg=="}', caller, dst, cap),
            "info": lambda caller, dst, cap: give(b"{}", caller, dst, cap),
            "output_write": output_write,
        }.get(name, lambda caller, *arguments: 0)


def main(path, compiled, count, argument):
    engine = new_engine()
    compiled = pathlib.Path(compiled)
    if not compiled.exists():
        compiled.write_bytes(wasmtime.Module.from_file(engine, path).serialize())
    module = wasmtime.Module.deserialize_file(engine, str(compiled))
    host = Host(argument.encode())
    linker = wasmtime.Linker(engine)
    linker.allow_shadowing = True  # a module may import a function twice
    linker.define_wasi()
    for item in module.imports:
        if item.module != "wasi_snapshot_preview1":
            linker.define_func(item.module, item.name, item.type, host.function(item.name), access_caller=True)
    begin = time.process_time_ns()
    for _ in range(int(count)):
        host.output.clear()
        store = wasmtime.Store(engine)
        store.set_fuel(1 << 40)
        store.set_wasi(wasmtime.WasiConfig())
        exports = linker.instantiate(store, module).exports(store)
        if "_initialize" in exports:
            exports["_initialize"](store)
        if exports["Price"](store) != 0:
            sys.exit(f"the guest failed: {bytes(host.output)!r}")
        store.close()
    took = (time.process_time_ns() - begin) / int(count)
    print(json.dumps({"ns": took, "output": json.loads(host.output)}))


main(*sys.argv[1:])

"""Freezes Python modules: freeze.py OUTPUT-DIRECTORY STANDARD-LIBRARY [FOLDER...]

Writes frozen.bin, the marshaled code of all modules, and frozen.c, the table of them.
Run it with the Python version that will load them.
"""

import marshal
import os
import sys

# Of the standard library: what cannot work without threads, processes, sockets, a
# terminal or native libraries, and what serves development alone.
LEFT_OUT = set("""
    __hello__ __phello__ _aix_support _android_support _apple_support _ios_support
    _osx_support _pyrepl antigravity bdb bz2 cProfile code codeop ctypes curses dbm
    doctest ensurepip ftplib getpass idlelib imaplib lzma multiprocessing nturl2path pdb
    poplib profile pstats pty pyclbr pydoc pydoc_data rlcompleter site smtplib
    socketserver sqlite3 ssl tabnanny test this timeit trace tkinter tty turtle
    turtledemo venv webbrowser wsgiref xmlrpc zipapp
""".split())

# sysconfig and zoneinfo ask for these. A real one would tell of the machine that built it.
SYSCONFIG = b"""build_time_vars = {
    "TZPATH": "", "EXT_SUFFIX": ".so", "Py_ENABLE_SHARED": 0, "Py_GIL_DISABLED": 0,
    "prefix": "/", "exec_prefix": "/",
}
"""


def modules_of(folder, left_out=()):
    """Yields name, whether it is a package, and the source, of each module in a folder."""
    for path, folders, files in os.walk(folder):
        parts = [] if path == folder else os.path.relpath(path, folder).split(os.sep)
        folders[:] = sorted(
            f for f in folders
            if f.isidentifier() and f not in ("__pycache__", "test", "tests") and (parts or f not in left_out)
        )
        for file in sorted(files):
            module, suffix = os.path.splitext(file)
            if suffix != ".py" or not parts and module in left_out:
                continue
            package = module == "__init__"
            name = ".".join(parts if package else [*parts, module])
            if name:
                with open(os.path.join(path, file), "rb") as source:
                    yield name, package, source.read()


def main():
    output, library, *folders = sys.argv[1:]
    modules = list(modules_of(library, LEFT_OUT))
    modules.append(("_sysconfigdata__wasi_wasm32-wasi", False, SYSCONFIG))
    optimize = {}
    for folder in folders:
        for module in modules_of(folder):
            modules.append(module)
            optimize[module[0]] = 0
    blob, rows = bytearray(), []
    for name, package, source in sorted(modules):
        # The standard library's docstrings are a tenth of it.
        code = compile(source, f"<frozen {name}>", "exec", dont_inherit=True, optimize=optimize.get(name, 2))
        data = marshal.dumps(code)
        rows.append(f'    {{"{name}", blob + {len(blob)}, {len(data)}, {int(package)}}},\n')
        blob += data
    with open(os.path.join(output, "frozen.bin"), "wb") as f:
        f.write(blob)
    with open(os.path.join(output, "frozen.c"), "w", newline="\n") as f:
        f.write('#include "Python.h"\n\nstatic const unsigned char blob[] = {\n#embed "frozen.bin"\n};\n\n')
        f.write("const struct _frozen ww_frozen[] = {\n")
        f.writelines(rows)
        f.write("    {0},\n};\n")
    print(f"{len(rows)} modules, {len(blob)} bytes")


main()

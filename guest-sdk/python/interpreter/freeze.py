"""Freezes Python modules: freeze.py OUTPUT-DIRECTORY STANDARD-LIBRARY [FOLDER...]

Writes frozen.bin, the marshaled code of all modules, and frozen.c, the table of them.
Run it with the Python version that will load them.
"""

import importlib
import marshal
import os
import struct
import sys

# Of the standard library: what cannot work without threads, processes, sockets, a
# terminal or native libraries, and what serves development alone.
LEFT_OUT = set("""
    __hello__ __phello__ _aix_support _android_support _apple_support _ios_support
    _osx_support _pyrepl antigravity bdb cProfile code codeop ctypes curses dbm
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


# Modules whose regular expressions are compiled here and not in each instance's start, where
# that would take a third of the time.
EXPRESSIONS_OF = """
    _strptime asyncio base64 calendar configparser csv dataclasses datetime decimal difflib
    email.message email.parser email.utils fractions glob hashlib html.parser http.client
    http.cookies importlib.metadata importlib.resources inspect ipaddress json locale logging.config
    mimetypes pathlib pickle pprint random shlex statistics string tempfile textwrap tokenize
    tomllib traceback typing unittest urllib.parse urllib.request uuid xml.etree.ElementTree
    zipfile zoneinfo wasmworker.sql
""".split()

# Put behind re/_compiler.py, and at the beginning of its function compile: a wrapper would be
# a frame more, by which warnings of expressions would name another file than the caller's.
PREPARED = b"""
def _taken(p, flags):
    from re._prepared import prepared

    known = prepared.get((p, flags)) if isinstance(p, (str, bytes)) else None
    if known is None:
        return None
    flags, code, groups, names = known
    code, index = list(memoryview(code).cast("I")), [None] * (groups + 1)
    for name, group in names:
        index[group] = name
    return _sre.compile(p, flags, code, groups, dict(names), tuple(index))
"""
COMPILE = b"\ndef compile(p, flags=0):\n"
TAKEN = b"    if (taken := _taken(p, flags)) is not None:\n        return taken\n"


def with_prepared(source):
    """Returns re/_compiler.py with that."""
    if source.count(COMPILE) != 1:
        sys.exit("freeze.py: re/_compiler.py has no function compile as it was")
    return source.replace(COMPILE, COMPILE + TAKEN) + PREPARED


# Frozen modules have no file. What _strptime skips for warnings is the library itself.
FILES = {"_strptime": (b"os.path.dirname(__file__)", b'"<frozen "')}


def without_file(name, source):
    """Returns the source of a module that would ask for its file otherwise."""
    if name not in FILES:
        return source
    if source.count(FILES[name][0]) != 1:
        sys.exit(f"freeze.py: {name} does not ask for its file as it did")
    return source.replace(*FILES[name])


def expressions(folders):
    """Returns the module re._prepared: what the modules compile, as _sre takes it."""
    sys.path[:0] = folders
    for name in [n for n in sys.modules if n.partition(".")[0] == "re"]:
        del sys.modules[name]
    from re import _compiler, _constants, _parser

    # What "*" stands for where pointers have 32 bits.
    most = _constants._NamedIntConstant(2**31 - 1, "MAXREPEAT")
    _constants.MAXREPEAT = _parser.MAXREPEAT = _compiler.MAXREPEAT = most
    seen, original = {}, _compiler.compile

    def record(p, flags=0):
        if isinstance(p, (str, bytes)):
            parsed = _parser.parse(p, flags)
            code = _compiler._code(parsed, flags)
            state = parsed.state
            names = tuple(sorted(state.groupdict.items(), key=lambda item: item[1]))
            seen[p, int(flags)] = int(flags | state.flags), struct.pack(f"<{len(code)}I", *code), state.groups - 1, names
        return original(p, flags)

    _compiler.compile = record
    for name in EXPRESSIONS_OF:
        for loaded in [n for n in sys.modules if n == name or n.startswith(name + ".")]:
            del sys.modules[loaded]
        importlib.import_module(name)
    rows = sorted(seen.items(), key=repr)
    return "prepared = {\n" + "".join(f"    {key!r}: {value!r},\n" for key, value in rows) + "}\n"


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
    modules = [(n, p, without_file(n, s)) for n, p, s in modules_of(library, LEFT_OUT)]
    modules.append(("_sysconfigdata__wasi_wasm32-wasi", False, SYSCONFIG))
    prepared = expressions([library, *folders])
    modules.append(("re._prepared", False, prepared.encode()))
    modules = [(n, p, with_prepared(s) if n == "re._compiler" else s) for n, p, s in modules]
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

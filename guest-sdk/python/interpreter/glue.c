// The guest contract as a builtin module of Python, _wasmworker, and the interpreter's
// start in _initialize. README.md beside this file describes both.

#define PY_SSIZE_T_CLEAN
#include "Python.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

#define WW_IMPORT_(module, function) __attribute__((import_module(module), import_name(function)))
#include "wasmworker_abi.h"
#include "imports.h"

// The bundle. `wasmworker build` appends it to the memory that the linker laid out: an
// active data segment at __heap_end, in pages that the linked module does not have. So
// attaching one changes no code, and the heap, which ends there, never touches it.

extern unsigned char __heap_end;

struct header {
    char magic[8];
    uint32_t passthrough_size; // of the names of passthrough modules, each with a zero
    uint32_t archive_size;     // of the zip file behind them
};
static const char magic[8] = "wwbundle";

static const unsigned char *archive;
static const char *passthrough;
static uint32_t archive_size, passthrough_size;

static bool find_bundle(void) {
    uintptr_t at = (uintptr_t)&__heap_end;
    if ((uint64_t)__builtin_wasm_memory_size(0) * 65536 < (uint64_t)at + sizeof(struct header)) {
        return false;
    }
    // Not seen by the compiler as an access beyond an object.
    __asm__("" : "+r"(at));
    const struct header *header = (const struct header *)at;
    if (memcmp(header->magic, magic, sizeof magic) != 0) {
        return false;
    }
    passthrough = (const char *)(header + 1);
    passthrough_size = header->passthrough_size;
    archive = (const unsigned char *)passthrough + passthrough_size;
    archive_size = header->archive_size;
    return true;
}

// asked_for tells whether the bundle asks for a passthrough module. The imports of others
// are renamed by `wasmworker build`, so that they need no grant, and must not be called.
static bool asked_for(const char *module) {
    for (uint32_t i = 0; i < passthrough_size; i += strlen(passthrough + i) + 1) {
        if (strcmp(passthrough + i, module) == 0) {
            return true;
        }
    }
    return false;
}

// raise sets the OSError for a negative result of a host function.
static PyObject *raise(int64_t result) {
    int64_t size = ww_host_last_error(NULL, 0);
    PyObject *text = NULL;
    char *buffer = size > 0 ? PyMem_Malloc(size) : NULL;
    if (size > 0 && buffer == NULL) {
        return PyErr_NoMemory();
    }
    if (size > 0) {
        ww_host_last_error(buffer, (uint32_t)size);
    }
    text = PyUnicode_DecodeUTF8(buffer, size > 0 ? size : 0, "replace");
    PyMem_Free(buffer);
    if (text == NULL) {
        return NULL;
    }
    PyObject *arguments = Py_BuildValue("(iN)", (int)-result, text);
    if (arguments != NULL) {
        PyErr_SetObject(PyExc_OSError, arguments);
        Py_DECREF(arguments);
    }
    return NULL;
}

static PyObject *none_or_raise(int64_t result) {
    if (result < 0) {
        return raise(result);
    }
    Py_RETURN_NONE;
}

// The reading functions of the contract, with an index that info lacks.
typedef int64_t reader(uint32_t index, void *dst, uint32_t cap);

static int64_t read_info(uint32_t index, void *dst, uint32_t cap) {
    (void)index;
    return ww_host_info(dst, cap);
}

// read_all returns the whole value as bytes.
static PyObject *read_all(reader *read, uint32_t index) {
    char likely[2048];
    int64_t size = read(index, likely, sizeof likely);
    if (size < 0) {
        return raise(size);
    }
    if (size <= (int64_t)sizeof likely) {
        return PyBytes_FromStringAndSize(likely, size);
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes != NULL) {
        read(index, PyBytes_AS_STRING(bytes), (uint32_t)size);
    }
    return bytes;
}

// index_of makes an index of an int. It returns false with an exception set.
static bool index_of(PyObject *object, uint32_t *index) {
    int overflow;
    long long value = PyLong_AsLongLongAndOverflow(object, &overflow);
    if (value == -1 && PyErr_Occurred()) {
        return false;
    }
    if (overflow != 0 || value < 0 || value > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "an index is a number from 0 to 4294967295");
        return false;
    }
    *index = (uint32_t)value;
    return true;
}

static PyObject *read_at(reader *read, PyObject *object) {
    uint32_t index;
    return index_of(object, &index) ? read_all(read, index) : NULL;
}

// encoding_at returns an encoding as text, and None for an empty one.
static PyObject *encoding_at(reader *read, PyObject *object) {
    PyObject *bytes = read_at(read, object);
    if (bytes == NULL) {
        return NULL;
    }
    PyObject *text = Py_None;
    if (PyBytes_GET_SIZE(bytes) > 0) {
        text = PyUnicode_DecodeUTF8(PyBytes_AS_STRING(bytes), PyBytes_GET_SIZE(bytes), "replace");
    }
    Py_DECREF(bytes);
    return text;
}

static PyObject *arg_count(PyObject *self, PyObject *none) {
    return PyLong_FromLong(ww_host_arg_count());
}

static PyObject *arg(PyObject *self, PyObject *index) { return read_at(ww_host_arg_read, index); }

static PyObject *arg_encoding(PyObject *self, PyObject *index) {
    return encoding_at(ww_host_arg_encoding, index);
}

static PyObject *arg_metadata(PyObject *self, PyObject *index) {
    return read_at(ww_host_arg_metadata, index);
}

static PyObject *output(PyObject *self, PyObject *arguments) {
    const char *data, *encoding, *metadata = NULL;
    Py_ssize_t size, encoding_size, metadata_size = 0;
    if (!PyArg_ParseTuple(arguments, "y#s#|y#:output", &data, &size, &encoding, &encoding_size, &metadata, &metadata_size)) {
        return NULL;
    }
    // What describes the output goes first: refused, it leaves no output behind.
    int64_t result = metadata_size > 0 ? ww_host_output_metadata(metadata, (uint32_t)metadata_size)
                                       : ww_host_output_encoding(encoding, (uint32_t)encoding_size);
    if (result >= 0 && size > 0) {
        result = ww_host_output_write(data, (uint32_t)size);
    }
    return none_or_raise(result);
}

static PyObject *fail(PyObject *self, PyObject *failure) {
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(failure, &data, &size) < 0) {
        return NULL;
    }
    return none_or_raise(ww_host_fail(data, (uint32_t)size));
}

static PyObject *info(PyObject *self, PyObject *none) { return read_all(read_info, 0); }

static PyObject *status(PyObject *self, PyObject *none) {
    return PyLong_FromLong(ww_host_status());
}

static PyObject *heartbeat(PyObject *self, PyObject *details) {
    PyObject *list = PySequence_Fast(details, "details are a list of (bytes, str)");
    if (list == NULL) {
        return NULL;
    }
    // All of them are looked at before the host is given one.
    for (int giving = 0; giving < 2; giving++) {
        for (Py_ssize_t i = 0; i < PySequence_Fast_GET_SIZE(list); i++) {
            PyObject *detail = PySequence_Fast_GET_ITEM(list, i);
            const char *data, *encoding;
            Py_ssize_t size, encoding_size;
            if (!PyTuple_Check(detail)) {
                PyErr_SetString(PyExc_TypeError, "details are a list of (bytes, str)");
            }
            if (PyErr_Occurred() || !PyArg_ParseTuple(detail, "y#s#:heartbeat", &data, &size, &encoding, &encoding_size)) {
                Py_DECREF(list);
                return NULL;
            }
            int64_t result = giving ? ww_host_heartbeat_detail(data, (uint32_t)size, encoding, (uint32_t)encoding_size) : 0;
            if (result < 0) {
                Py_DECREF(list);
                return raise(result);
            }
        }
    }
    Py_DECREF(list);
    int64_t flags = ww_host_heartbeat();
    return flags < 0 ? raise(flags) : PyLong_FromLongLong(flags);
}

static PyObject *detail_count(PyObject *self, PyObject *none) {
    return PyLong_FromLong(ww_host_detail_count());
}

static PyObject *detail(PyObject *self, PyObject *index) {
    return read_at(ww_host_detail_read, index);
}

static PyObject *detail_encoding(PyObject *self, PyObject *index) {
    return encoding_at(ww_host_detail_encoding, index);
}

#include "workflow.h"

static PyObject *log_record(PyObject *self, PyObject *arguments) {
    int level;
    const char *message, *attributes;
    Py_ssize_t message_size, attributes_size;
    if (!PyArg_ParseTuple(arguments, "is#y#:log", &level, &message, &message_size, &attributes, &attributes_size)) {
        return NULL;
    }
    return none_or_raise(ww_host_log_write(level, message, (uint32_t)message_size, attributes, (uint32_t)attributes_size));
}

static PyObject *random_bytes(PyObject *self, PyObject *count) {
    uint32_t size;
    if (!index_of(count, &size)) {
        return NULL;
    }
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL) {
        return NULL;
    }
    __wasi_errno_t error = __wasi_random_get((uint8_t *)PyBytes_AS_STRING(bytes), size);
    if (error != 0) {
        Py_DECREF(bytes);
        errno = error;
        return PyErr_SetFromErrno(PyExc_OSError);
    }
    return bytes;
}

// Passthrough functions. The generated file has a line for each.
struct function {
    const char *module, *name;
    int64_t (*call)(const void *request, uint32_t size);
    bool frames; // the request and the response are, or else text
};
static const struct function functions[] = {
#define WW_FUNCTION(module, name, frames) {#module, #name, ww_host_##module##_##name, frames},
#include "passthrough.h"
#undef WW_FUNCTION
};

// Functions of modules that an embedder has. The interpreter cannot know their names: it
// imports so many functions without one, and `wasmworker build` gives them the modules and
// names that the bundle lists. All have the type of a passthrough function.
#define SLOT(n) \
    __attribute__((import_module("python:slot"), import_name(#n))) int64_t slot_##n(const void *request, uint32_t size);
#define SLOTS(X) \
    X(00) X(01) X(02) X(03) X(04) X(05) X(06) X(07) X(08) X(09) X(0a) X(0b) X(0c) X(0d) X(0e) X(0f) \
    X(10) X(11) X(12) X(13) X(14) X(15) X(16) X(17) X(18) X(19) X(1a) X(1b) X(1c) X(1d) X(1e) X(1f)
SLOTS(SLOT)
#undef SLOT
static const struct function slots[] = {
#define SLOT(n) {.call = slot_##n},
SLOTS(SLOT)
#undef SLOT
};

// slot_of finds an embedder's function among what the bundle asks for: "weather.forecast".
static const struct function *slot_of(const char *module, const char *name) {
    size_t length = strlen(module), slot = 0;
    for (uint32_t i = 0; i < passthrough_size; i += strlen(passthrough + i) + 1) {
        const char *asked = passthrough + i;
        if (strchr(asked, '.') == NULL) {
            continue; // one of wasmworker's own modules
        }
        if (strncmp(asked, module, length) == 0 && asked[length] == '.' && strcmp(asked + length + 1, name) == 0) {
            return &slots[slot];
        }
        slot++;
    }
    return NULL;
}

// refuse raises the OSError for what the bundle does not ask for.
static void refuse(const char *what, const char *module, const char *name) {
    PyObject *text = *name ? PyUnicode_FromFormat("this bundle does not ask for the %s %s.%s: build it with --passthrough %s.%s", what, module, name, module, name)
                           : PyUnicode_FromFormat("this bundle does not ask for the %s %s: build it with --passthrough %s", what, module, module);
    PyObject *arguments = text ? Py_BuildValue("(iN)", ENOSYS, text) : NULL;
    if (arguments != NULL) {
        PyErr_SetObject(PyExc_OSError, arguments);
        Py_DECREF(arguments);
    }
}

// frame_of makes a frame of a head and a body: the head's length, little-endian, and
// both.
static char *frame_of(const Py_buffer *head, const Py_buffer *body, size_t *size) {
    *size = 4 + (size_t)head->len + (size_t)body->len;
    char *frame = PyMem_Malloc(*size);
    if (frame == NULL) {
        PyErr_NoMemory();
        return NULL;
    }
    uint32_t length = (uint32_t)head->len;
    memcpy(frame, &length, 4);
    memcpy(frame + 4, head->buf, head->len);
    memcpy(frame + 4 + head->len, body->buf, body->len);
    return frame;
}

// take copies a part of a response.
static PyObject *take(uint32_t handle, uint32_t offset, uint32_t size) {
    PyObject *bytes = PyBytes_FromStringAndSize(NULL, size);
    if (bytes == NULL || size == 0) {
        return bytes;
    }
    int64_t copied = ww_host_read(handle, offset, PyBytes_AS_STRING(bytes), size);
    if (copied == (int64_t)size) {
        return bytes;
    }
    Py_DECREF(bytes);
    if (copied < 0) {
        return raise(copied);
    }
    PyErr_SetString(PyExc_OSError, "the response ends too early");
    return NULL;
}

static PyObject *response_of(const struct function *function, int64_t result) {
    uint32_t handle = (uint32_t)((uint64_t)result >> 32), size = (uint32_t)result;
    PyObject *response = NULL;
    if (!function->frames) {
        response = take(handle, 0, size);
    } else if (size == 0) {
        response = Py_BuildValue("(yy)", "", "");
    } else {
        uint32_t head = 0;
        int64_t copied = ww_host_read(handle, 0, &head, sizeof head);
        if (copied != sizeof head || head > size - sizeof head) {
            PyErr_SetString(PyExc_OSError, "the response is no frame");
        } else {
            PyObject *first = take(handle, sizeof head, head);
            PyObject *second = first ? take(handle, sizeof head + head, size - sizeof head - head) : NULL;
            response = second ? PyTuple_Pack(2, first, second) : NULL;
            Py_XDECREF(first);
            Py_XDECREF(second);
        }
    }
    if (handle != 0) {
        ww_host_close(handle);
    }
    return response;
}

static const struct function *function_of(const char *module, const char *name) {
    bool known = false;
    for (size_t i = 0; i < sizeof functions / sizeof *functions; i++) {
        if (strcmp(functions[i].module, module) != 0) {
            continue;
        }
        known = true;
        if (strcmp(functions[i].name, name) == 0) {
            if (asked_for(module)) {
                return &functions[i];
            }
            refuse("passthrough module", module, "");
            return NULL;
        }
    }
    if (known) {
        PyErr_Format(PyExc_ValueError, "the passthrough module %s has no function %s", module, name);
        return NULL;
    }
    const struct function *slot = slot_of(module, name);
    if (slot == NULL) {
        refuse("function", module, name);
    }
    return slot;
}

static PyObject *call(PyObject *self, PyObject *arguments) {
    const char *module, *name;
    Py_buffer request, body = {0};
    if (!PyArg_ParseTuple(arguments, "ssy*|y*:call", &module, &name, &request, &body)) {
        return NULL;
    }
    PyObject *response = NULL;
    char *frame = NULL;
    const void *data = request.buf;
    size_t size = request.len;
    const struct function *function = function_of(module, name);
    if (function == NULL) {
        goto done;
    }
    if (function->frames) {
        if ((frame = frame_of(&request, &body, &size)) == NULL) {
            goto done;
        }
        data = frame;
    } else if (body.len > 0) {
        PyErr_Format(PyExc_ValueError, "%s of the passthrough module %s takes no body", name, module);
        goto done;
    }
    int64_t result = function->call(data, (uint32_t)size);
    response = result < 0 ? raise(result) : response_of(function, result);
done:
    PyMem_Free(frame);
    PyBuffer_Release(&request);
    if (body.obj != NULL) {
        PyBuffer_Release(&body);
    }
    return response;
}

static PyMethodDef methods[] = {
    {"arg_count", arg_count, METH_NOARGS, "How many arguments the activity was given."},
    {"arg", arg, METH_O, "The bytes of an argument."},
    {"arg_encoding", arg_encoding, METH_O, "The encoding of an argument, or None."},
    {"arg_metadata", arg_metadata, METH_O, "All metadata of an argument, as JSON."},
    {"output", output, METH_VARARGS, "The result: its bytes, their encoding, and all metadata in its place."},
    {"fail", fail, METH_O, "The failure, as JSON."},
    {"info", info, METH_NOARGS, "About this attempt, as JSON."},
    {"status", status, METH_NOARGS, "The flags."},
    {"heartbeat", heartbeat, METH_O, "Sends details, each bytes and an encoding. Returns the flags."},
    {"detail_count", detail_count, METH_NOARGS, "How many details the last attempt left."},
    {"detail", detail, METH_O, "The bytes of a detail."},
    {"detail_encoding", detail_encoding, METH_O, "The encoding of a detail, or None."},
    {"log", log_record, METH_VARARGS, "A log record: level, message, attributes as JSON."},
    {"call", call, METH_VARARGS, "Calls a passthrough function: module, function, request, body."},
    {"activation", activation, METH_NOARGS, "The frame of this activation of a workflow."},
    {"commands", commands, METH_O, "Hands over a frame of commands. Returns how many there are."},
    {"patched", patched, METH_O, "Whether the change of an id applies to the run."},
    {"random", random_bytes, METH_O, "Random bytes."},
    {0},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "_wasmworker",
    .m_doc = "The guest contract of wasmworker.",
    .m_size = -1,
    .m_methods = methods,
};

static PyObject *init_module(void) { return PyModule_Create(&definition); }

// The interpreter's start.

extern const struct _frozen ww_frozen[];

static PyObject *run_function, *exports_function, *compiled_function, *notes_function;

// die ends the instance. What it has to say is the last line of standard error.
static _Noreturn void die(const char *what) {
    PyObject *exception = PyErr_GetRaisedException();
    if (exception != NULL) {
        PyErr_DisplayException(exception); // PyErr_Print would exit for a SystemExit
    } else {
        fprintf(stderr, "python: %s\n", what);
    }
    fflush(stderr);
    abort();
}

static void check(PyStatus status) {
    if (PyStatus_Exception(status)) {
        fprintf(stderr, "python: %s: %s\n", status.func ? status.func : "start", status.err_msg ? status.err_msg : "failed");
        fflush(stderr);
        abort();
    }
}

static void configure(void) {
    PyPreConfig before;
    PyPreConfig_InitIsolatedConfig(&before);
    before.utf8_mode = 1;
    check(Py_PreInitialize(&before));

    PyConfig config;
    PyConfig_InitIsolatedConfig(&config);
    config.buffered_stdio = 0; // what is written before a trap must be there
    config.install_signal_handlers = 0;
    config.module_search_paths_set = 1; // none: everything is frozen, or in the bundle
    config.pathconfig_warnings = 0;
    config.site_import = 0;
    config.write_bytecode = 0;
    const struct { wchar_t **where; const wchar_t *what; } texts[] = {
        {&config.program_name, L"python"}, {&config.executable, L""},
        {&config.base_executable, L""},    {&config.prefix, L"/"},
        {&config.base_prefix, L"/"},       {&config.exec_prefix, L"/"},
        {&config.base_exec_prefix, L"/"},  {&config.home, L"/"},
        {&config.stdlib_dir, L""},         {&config.stdio_encoding, L"utf-8"},
        {&config.stdio_errors, L"backslashreplace"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        check(PyConfig_SetString(&config, texts[i].where, texts[i].what));
    }
    check(Py_InitializeFromConfig(&config));
    PyConfig_Clear(&config);
}

// keep makes everything that the boot has left behind immortal: Python counts no
// references to such an object. Each activity begins with the same memory, so nothing is
// lost by never freeing these, and what is not counted is not written: otherwise an
// activity would write to hundreds of pages that are the image's, all over the heap, and
// the host would copy each of them back.

struct pile {
    PyObject **objects;
    size_t count, room;
};

static int put_on(PyObject *object, void *pile) {
    struct pile *p = pile;
    if (_Py_IsImmortal(object)) {
        return 0;
    }
    object->ob_refcnt = _Py_IMMORTAL_REFCNT;
    if (!PyObject_IS_GC(object) && !PyCode_Check(object)) {
        return 0; // refers to nothing
    }
    if (p->count == p->room) {
        p->room = p->room ? 2 * p->room : 1 << 14;
        p->objects = realloc(p->objects, p->room * sizeof *p->objects);
        if (p->objects == NULL) {
            die("there is no memory to start with");
        }
    }
    p->objects[p->count++] = object;
    return 0;
}

// follow puts on what an object refers to.
static void follow(PyObject *object, struct pile *pile) {
    if (PyCode_Check(object)) { // the collector does not know what it refers to
        PyCodeObject *code = (PyCodeObject *)object;
        PyObject *parts[] = {
            code->co_consts, code->co_names, code->co_exceptiontable, code->co_localsplusnames,
            code->co_localspluskinds, code->co_filename, code->co_name, code->co_qualname, code->co_linetable,
        };
        for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
            if (parts[i] != NULL) {
                put_on(parts[i], pile);
            }
        }
    } else if (Py_TYPE(object)->tp_traverse != NULL) {
        Py_TYPE(object)->tp_traverse(object, put_on, pile);
    }
}

static int keep_one(PyObject *object, void *pile) {
    struct pile *p = pile;
    object->ob_refcnt = _Py_IMMORTAL_REFCNT;
    follow(object, p);
    while (p->count > 0) {
        follow(p->objects[--p->count], p);
    }
    return 1; // go on
}

static void keep(void) {
    struct pile pile = {0};
    PyUnstable_GC_VisitObjects(keep_one, &pile);
    free(pile.objects);
}

// boot is called by _initialize, after the constructors of others.
__attribute__((constructor(65535))) static void boot(void) {
    if (!find_bundle()) {
        die("this is the interpreter without a bundle: `wasmworker build app.py` adds one");
    }
    PyImport_FrozenModules = ww_frozen;
    PyImport_AppendInittab("_wasmworker", init_module);
    configure();
    PyGC_Disable(); // until boot has what it needs
    PyObject *module = PyImport_ImportModule("wasmworker._boot");
    PyObject *result = module ? PyObject_CallMethod(module, "boot", "y#", (const char *)archive, (Py_ssize_t)archive_size) : NULL;
    if (result == NULL) {
        die("the bundle cannot be started");
    }
    Py_DECREF(result);
    run_function = PyObject_GetAttrString(module, "run");
    exports_function = PyObject_GetAttrString(module, "exports");
    compiled_function = PyObject_GetAttrString(module, "compiled");
    notes_function = PyObject_GetAttrString(module, "notes");
    Py_DECREF(module);
    if (run_function == NULL || exports_function == NULL || compiled_function == NULL || notes_function == NULL) {
        die("the boot module is another one");
    }
    keep();
}

static int32_t run(int index) {
    PyObject *result = PyObject_CallFunction(run_function, "i", index);
    long status = result ? PyLong_AsLong(result) : -1;
    if (PyErr_Occurred()) {
        die("an activity or workflow cannot be run");
    }
    Py_DECREF(result);
    return (int32_t)status;
}

// list answers an activity of `wasmworker build` with a JSON list of what a function returns.
static int32_t list(PyObject *function, const char *failed) {
    PyObject *found = PyObject_CallNoArgs(function);
    PyObject *json = found ? PyImport_ImportModule("json") : NULL;
    PyObject *text = json ? PyObject_CallMethod(json, "dumps", "O", found) : NULL;
    Py_ssize_t size = 0;
    const char *data = text ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    if (data == NULL || ww_host_output_write(data, (uint32_t)size) < 0) {
        die(failed);
    }
    return WW_COMPLETED;
}

// What the app defines: the names of activities and workflows.
__attribute__((export_name("_activities"))) int32_t list_activities(void) {
    return list(exports_function, "what the app defines cannot be listed");
}

// What the app's author should know.
__attribute__((export_name("_notes"))) int32_t list_notes(void) {
    return list(notes_function, "the activities cannot be looked at");
}

// The compiled code of the app, as another of its activities.
__attribute__((export_name("_compiled"))) int32_t list_compiled(void) {
    PyObject *code = PyObject_CallNoArgs(compiled_function);
    char *data = NULL;
    Py_ssize_t size = 0;
    if (code == NULL || PyBytes_AsStringAndSize(code, &data, &size) < 0 || ww_host_output_write(data, (uint32_t)size) < 0) {
        die("the compiled code cannot be listed");
    }
    return WW_COMPLETED;
}

// An export for each activity that a bundle can have. `wasmworker build` gives the first
// of them the activities' names and leaves the others out, so that all bundles have the
// same code.
#define ONE(n) \
    __attribute__((export_name("_activity_" #n))) int32_t activity_##n(void) { return run(0x##n); }
#define SIXTEEN(n) \
    ONE(n##0) ONE(n##1) ONE(n##2) ONE(n##3) ONE(n##4) ONE(n##5) ONE(n##6) ONE(n##7) \
    ONE(n##8) ONE(n##9) ONE(n##a) ONE(n##b) ONE(n##c) ONE(n##d) ONE(n##e) ONE(n##f)
SIXTEEN(0) SIXTEEN(1) SIXTEEN(2) SIXTEEN(3) SIXTEEN(4) SIXTEEN(5) SIXTEEN(6) SIXTEEN(7)
SIXTEEN(8) SIXTEEN(9) SIXTEEN(a) SIXTEEN(b) SIXTEEN(c) SIXTEEN(d) SIXTEEN(e) SIXTEEN(f)

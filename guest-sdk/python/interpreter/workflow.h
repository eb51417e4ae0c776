// The functions of _wasmworker that workflows have, for glue.c.

static int64_t read_activation(uint32_t index, void *dst, uint32_t cap) {
    (void)index;
    return ww_host_workflow_activation(dst, cap);
}

static PyObject *activation(PyObject *self, PyObject *none) { return read_all(read_activation, 0); }

static PyObject *commands(PyObject *self, PyObject *frame) {
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(frame, &data, &size) < 0) {
        return NULL;
    }
    int64_t count = ww_host_workflow_commands(data, (uint32_t)size);
    return count < 0 ? raise(count) : PyLong_FromLongLong(count);
}

static PyObject *patched(PyObject *self, PyObject *id) {
    Py_ssize_t size;
    const char *text = PyUnicode_AsUTF8AndSize(id, &size);
    return text == NULL ? NULL : PyBool_FromLong(ww_host_workflow_patched(text, (uint32_t)size));
}

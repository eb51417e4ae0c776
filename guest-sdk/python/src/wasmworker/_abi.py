"""Names and numbers of the guest contract (abi/abi.json, with which a test compares them)."""

from __future__ import annotations

from typing import Final

COMPLETED: Final = 0
FAILED: Final = 1
CANCELED: Final = 2

CANCEL_REQUESTED: Final = 1
WORKER_STOPPING: Final = 2
PAUSED: Final = 4
RESET: Final = 8
GONE: Final = 16
# The flags after which the host interrupts an activity that goes on.
ENDS: Final = CANCEL_REQUESTED | PAUSED | RESET | GONE

DEBUG: Final = -4
INFO: Final = 0
WARNING: Final = 4
ERROR: Final = 8

JSON: Final = "json/plain"
PROTO_JSON: Final = "json/protobuf"
BINARY: Final = "binary/plain"
NULL: Final = "binary/null"

TYPE_INVALID_INPUT: Final = "InvalidInput"
TYPE_INVALID_OUTPUT: Final = "InvalidOutput"
TYPE_OUTPUT_TOO_LARGE: Final = "OutputTooLarge"
TYPE_UNEXPECTED_CANCEL: Final = "UnexpectedCancel"
TYPE_WORKER_SHUTDOWN: Final = "WorkerShutdown"

CATEGORY_BENIGN: Final = "benign"
MAX_CAUSE_DEPTH: Final = 16

ERRNOS: Final = {
    "E2BIG": 1,
    "EACCES": 2,
    "EAGAIN": 6,
    "EBADF": 8,
    "EBUSY": 10,
    "ECANCELED": 11,
    "EDQUOT": 19,
    "EEXIST": 20,
    "EFAULT": 21,
    "EFBIG": 22,
    "EINTR": 27,
    "EINVAL": 28,
    "EIO": 29,
    "EISDIR": 31,
    "ELOOP": 32,
    "EMFILE": 33,
    "EMSGSIZE": 35,
    "ENAMETOOLONG": 37,
    "ENOENT": 44,
    "ENOMEM": 48,
    "ENOSPC": 51,
    "ENOSYS": 52,
    "ENOTDIR": 54,
    "ENOTEMPTY": 55,
    "ENOTSUP": 58,
    "EOVERFLOW": 61,
    "EPERM": 63,
    "EROFS": 69,
    "ESPIPE": 70,
    "ETIMEDOUT": 73,
    "ETXTBSY": 74,
    "EXDEV": 75,
    "ENOTCAPABLE": 76,
}
EMSGSIZE: Final = ERRNOS["EMSGSIZE"]

"""``temporalio.api`` on wasmworker: the message of a payload alone."""

"""The part of ``temporalio`` that activities use, on wasmworker.

It is in every module, so that a file with ``from temporalio import activity`` runs there
unchanged. Outside of the sandbox the real package has this name.
"""

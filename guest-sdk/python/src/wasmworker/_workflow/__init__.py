"""Workflows: the state of the one run that an instance has, and what it waits with."""

"""Checks of a machine, of a running cluster, and of an account before money is spent."""

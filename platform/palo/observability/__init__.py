"""Logs of single requests and Prometheus metrics of all of them, for an endpoint's operators."""

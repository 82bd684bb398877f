"""What operators see of an endpoint: logs of single requests, and metrics of all of them."""

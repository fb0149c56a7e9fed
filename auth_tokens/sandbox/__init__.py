"""The simulated vendors' log-ins."""

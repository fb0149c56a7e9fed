"""The simulated Upstox: its log-in site, its OAuth and whose token it accepts."""

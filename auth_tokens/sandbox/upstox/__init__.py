"""The simulated Upstox: its log-in site, its OAuth and its tokens."""

"""Calls to providers: time-outs, bounded retries, budgets, breakers."""

"""Cached answers, each declared once: how it is read, kept, warmed and invalidated."""

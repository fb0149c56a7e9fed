"""Answers that are read again and again: declared once, cached, prepared and invalidated alike."""

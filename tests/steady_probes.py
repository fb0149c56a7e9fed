"""A pytest plugin: coverage leaves its probes in, which is faster and safe with threads.

Slipcover's workers take no option: each removes its probes from time to time. To do so it walks
dictionaries that other threads change, and an error there surfaces in whatever line runs next.
"""

from __future__ import annotations

import os

if os.environ.get("SLIPCOVER_ENABLED"):
    from slipcover import pytest_plugin

    # None in the process that hands out the tests: the command line says it there.
    if probes := pytest_plugin._slipcover_instance:
        probes.d_miss_threshold = -1

"""The front door: prepared bytes answered before Django. See docs/decisions/0016-front-door.md.

A prepared resource is one exact address whose body is built once per version and sent many times.
The door answers ordinary requests for it from this process's memory and hands anything unusual to
the Django view, which sends the same bytes.
"""

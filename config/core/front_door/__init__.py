"""The front door: prepared bytes answered before Django. See docs/decisions/0016-front-door.md.

A prepared resource is one exact address whose body is built once a version and sent many times.
The door answers ordinary requests for it from this process's memory; whatever is unusual in the
least goes to the ordinary Django view, which gives the same bytes.
"""

"""Set-up of a bare checkout, with the standard library only: see config/bootstrap.py."""

"""The sandbox: every provider's server on loopback, fed by one simulated market.

The servers live in the apps' ``sandbox`` packages and register here by dotted path, so this package
imports no app and product code imports no server.
"""

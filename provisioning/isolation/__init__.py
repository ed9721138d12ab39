"""Proves on a running installation that one tenant gets at nothing of another: scripts/prove-isolation --help.

It knows the installation by its OpenAPI document and talks to it as two owners and their devices do: no database.
"""

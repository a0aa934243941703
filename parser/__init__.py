"""Reads: bytes in, facts out. Knows the standard library alone: no sockets, clocks, policy or numpy."""

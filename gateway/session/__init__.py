"""The sans-IO relay of one client and its upstream: bytes in from both sides, bytes out to both sides, records to the audit."""

"""The sans-IO relay of one client and its upstream: bytes in and bytes out on both sides, records to the audit."""

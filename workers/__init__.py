"""Acts: processes, sockets, TLS, files and shared memory. Never decides."""

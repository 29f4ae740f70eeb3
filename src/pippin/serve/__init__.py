"""Floor 5: sockets and the loops that read them. Transports unwrap messages and ask the engine; nothing else."""

"""What a session does: the tasks and the I/O around the machine, and nothing that decides."""

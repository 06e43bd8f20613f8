"""What a session decides: a pure state machine, `reducer.step`. No clock, no I/O, no awaiting."""

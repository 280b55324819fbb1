"""The default generation engine: seven instruments synthesised with numpy, no weights."""

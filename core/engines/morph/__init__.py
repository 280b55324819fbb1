"""The default bridge engine: spectral interpolation on the beat, with numpy and no weights."""

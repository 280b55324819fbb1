"""The default generation engine: seven instruments synthesised with numpy, no weights."""

from core.engines.synth.engine import SynthEngine

__all__ = ["SynthEngine"]

"""The form of a piece: where one part gives way to another, and which parts are alike.

The music is looked at bar by bar (``bars``): which notes sound, and what the sound is like. A part may begin where
what sounded before comes again, or stops doing so (``repeats``), and where what follows differs most from what went
before (``novelty``). ``finding`` puts the two together and names the parts.
"""

from core.analysis.sections.finding import find_sections

__all__ = ["find_sections"]

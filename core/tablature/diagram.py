"""Chord diagrams as SVG: strings upright, the tuning's first on the left, the nut or the hand's position on top.

Every diagram has a title that a screen reader can tell: what each string does.
"""

from __future__ import annotations

from xml.etree.ElementTree import Element, SubElement, tostring

from core.tablature.tabs import Tab
from core.theory.neck import Neck
from core.theory.voicings import Shape

_SPACING = 20
_LEFT = 34
_TOP = 44
_ROWS = 5
_DOT = 7.5
_HEIGHT = _TOP + _ROWS * _SPACING + 16
_DIAGRAMS_IN_A_ROW = 6
_MUTED = "\N{MULTIPLICATION SIGN}"
_NAMESPACE = {"xmlns": "http://www.w3.org/2000/svg"}


def chord_diagrams(tab: Tab) -> str:
    """A sheet with every shape of the tab once, in the order in which they come."""
    neck = tab.score.neck
    shapes = {(chord.symbol, shape.frets): shape for chord, shape in zip(tab.chords, tab.shapes, strict=True)}
    width = _width(neck) * min(len(shapes), _DIAGRAMS_IN_A_ROW)
    height = _HEIGHT * -(-len(shapes) // _DIAGRAMS_IN_A_ROW)
    sheet = Element("svg", _NAMESPACE | _sized(width, height) | {"role": "list"})
    for index, ((symbol, _), shape) in enumerate(shapes.items()):
        row, column = divmod(index, _DIAGRAMS_IN_A_ROW)
        diagram = _diagram(symbol, shape, neck)
        diagram.attrib.update({"x": str(column * _width(neck)), "y": str(row * _HEIGHT)})
        SubElement(sheet, "g", role="listitem").append(diagram)
    return tostring(sheet, encoding="unicode")


def chord_diagram(symbol: str, shape: Shape, neck: Neck) -> str:
    """One shape as a document of its own."""
    diagram = _diagram(symbol, shape, neck)
    diagram.attrib.update(_NAMESPACE)
    return tostring(diagram, encoding="unicode")


def described(symbol: str, shape: Shape, neck: Neck) -> str:
    """The shape in words, from the tuning's first string on."""
    names = {None: "muted", 0: "open"}
    words = [
        f"{note} {names.get(fret) or f'fret {fret} finger {finger}'}"
        for note, fret, finger in zip(neck.notes, shape.frets, shape.fingering.fingers, strict=True)
    ]
    capo = f", capo {neck.capo}" if neck.capo else ""
    return f"{symbol}{capo}: {', '.join(words)}"


def _diagram(symbol: str, shape: Shape, neck: Neck) -> Element:
    drawing = _Drawing(symbol, shape, neck)
    drawing.grid()
    drawing.strings()
    return drawing.root


def _width(neck: Neck) -> int:
    return _LEFT * 2 + (neck.strings - 1) * _SPACING


def _sized(width: int, height: int) -> dict[str, str]:
    return {"viewBox": f"0 0 {width} {height}", "width": str(width), "height": str(height)}


class _Drawing:
    def __init__(self, symbol: str, shape: Shape, neck: Neck) -> None:
        self._shape = shape
        self._strings = neck.strings
        highest = max((fret for fret in shape.frets if fret), default=0)
        self._first = 1 if highest <= _ROWS else shape.position
        width = _width(neck)
        self.root = Element("svg", _sized(width, _HEIGHT) | {"role": "img", "font-family": "sans-serif"})
        self.root.set("text-anchor", "middle")
        SubElement(self.root, "title").text = described(symbol, shape, neck)
        self._text(width / 2, 18, symbol, 16)

    def grid(self) -> None:
        """Strings, frets, and where on the neck they are."""
        left, right = self._x(0), self._x(self._strings - 1)
        bottom = _TOP + _ROWS * _SPACING
        for index in range(self._strings):
            self._line(self._x(index), _TOP, self._x(index), bottom)
        for row in range(_ROWS + 1):
            at = _TOP + row * _SPACING
            self._line(left, at, right, at, 4 if row == 0 and self._first == 1 else 1)
        if self._first > 1:
            self._text(left - 20, _TOP + _SPACING * 0.5 + 4, str(self._first), 12)

    def strings(self) -> None:
        """What each string is: muted, open, or held by a finger."""
        barre = self._shape.fingering.barre
        if barre:
            y = self._y(barre.fret)
            line = self._line(self._x(barre.lowest), y, self._x(self._strings - 1), y, 2 * _DOT)
            line.set("stroke-linecap", "round")
            self._finger(barre.lowest, barre.fret, 1)
        for index, (fret, finger) in enumerate(zip(self._shape.frets, self._shape.fingering.fingers, strict=True)):
            if fret is None:
                self._text(self._x(index), _TOP - 7, _MUTED, 14)
            elif fret == 0:
                self._circle(self._x(index), _TOP - 11, 4).attrib.update({"fill": "none", "stroke": "black"})
            elif not (barre and finger == 1):
                self._finger(index, fret, finger)

    def _finger(self, index: int, fret: int, finger: int) -> None:
        self._circle(self._x(index), self._y(fret), _DOT)
        self._text(self._x(index), self._y(fret) + 4, str(finger), 11).set("fill", "white")

    def _x(self, index: int) -> float:
        return _LEFT + index * _SPACING

    def _y(self, fret: int) -> float:
        return _TOP + (fret - self._first + 0.5) * _SPACING

    def _line(self, x1: float, y1: float, x2: float, y2: float, width: float = 1) -> Element:
        places = {"x1": x1, "y1": y1, "x2": x2, "y2": y2, "stroke-width": width}
        return SubElement(
            self.root, "line", {name: f"{value:g}" for name, value in places.items()} | {"stroke": "black"}
        )

    def _circle(self, x: float, y: float, radius: float) -> Element:
        return SubElement(self.root, "circle", {"cx": f"{x:g}", "cy": f"{y:g}", "r": f"{radius:g}"})

    def _text(self, x: float, y: float, content: str, size: int) -> Element:
        text = SubElement(self.root, "text", {"x": f"{x:g}", "y": f"{y:g}", "font-size": str(size)})
        text.text = content
        return text

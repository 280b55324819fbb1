import io

import pytest
from rich.console import Console

from training.display import Bar, Lines, display


def test_where_there_is_no_terminal_lines_say_how_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    with display() as shown:
        shown.begin("training", 1000)
        for step in range(1000):
            shown.advance(f"loss {step}")
        shown.line("done [of all]")
    lines = capsys.readouterr().out.splitlines()
    assert isinstance(shown, Lines)
    assert len(lines) == 21
    assert lines[0] == "training: 50 of 1000, loss 49"
    assert lines[-2:] == ["training: 1000 of 1000, loss 999", "done [of all]"]


def test_a_stage_that_goes_on_counts_from_there(capsys: pytest.CaptureFixture[str]) -> None:
    shown = Lines()
    shown.begin("training", 3, done=1)
    shown.advance()
    assert capsys.readouterr().out == "training: 2 of 3\n"


def test_on_a_terminal_one_bar_serves_all_stages() -> None:
    terminal = io.StringIO()
    with Bar(Console(file=terminal, force_terminal=True, width=120, height=20)) as shown:
        shown.begin("encoding", 2)
        shown.advance()
        shown.line("left out: [cover].mp3 (no music)")
        shown.begin("training", 10, done=4)
        shown.advance("epoch 1, loss 0.5")
    screen = terminal.getvalue()
    assert "left out: [cover].mp3 (no music)" in screen
    last = screen[screen.rindex("training") :]
    assert "5/10" in last
    assert "epoch 1, loss 0.5" in last
    assert "encoding" not in last

"""What a command says that is stopped with Ctrl-C."""

from __future__ import annotations

import sys

import pytest
import typer

from footpath.cli import main


def test_a_stopped_command_says_that_nothing_half_written_is_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    stopped = typer.Typer()

    @stopped.command()
    def work() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "app", stopped)
    monkeypatch.setattr(sys, "argv", ["footpath"])
    with pytest.raises(SystemExit) as end:
        main.main()
    assert end.value.code == 130
    assert "stopped; nothing half-written was kept" in capsys.readouterr().err

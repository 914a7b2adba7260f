"""The terminal of a run: what is printed on it beside pytest's own, and how wide it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def width_of(terminalreporter: TerminalReporter) -> int | None:
    """How many columns the terminal has; ``None`` where there is none: lines of a file stay lines."""
    writer = terminalreporter.config.get_terminal_writer()
    return writer.fullwidth if terminalreporter.isatty() else None


def print_line(config: pytest.Config, text: str) -> None:
    """Print a line of its own while tests run; the main process does, where it has a terminal reporter."""
    terminal: Any = config.pluginmanager.get_plugin("terminalreporter")
    if terminal is not None:
        terminal.ensure_newline()
        if config.get_terminal_writer().width_of_current_line:  # dots: with -q pytest keeps no account of them
            terminal.line("")
        terminal.line(text)

"""Runs every benchmark, one after another."""

from __future__ import annotations

import coverage
import memory
import replay
import report_page
import scrubbing
import startup
import subroutines
import telemetry
import turns

if __name__ == "__main__":
    for benchmark in (turns, subroutines, memory, startup, replay, scrubbing, coverage, telemetry, report_page):
        benchmark.main()

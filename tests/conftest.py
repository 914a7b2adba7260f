"""What holds for all tests."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("suite", deadline=None)  # no test is about time: machines are busy now and then
settings.load_profile("suite")

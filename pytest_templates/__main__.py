"""``python -m pytest_templates``."""

from __future__ import annotations

import sys

from pytest_templates.command.main import main

if __name__ == "__main__":
    sys.exit(main())

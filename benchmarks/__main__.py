"""Prints the table of everything; each script of this folder says more about its part."""

from __future__ import annotations

import table

if __name__ == "__main__":
    table.main()

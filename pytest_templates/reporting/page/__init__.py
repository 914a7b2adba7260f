"""The report as a page: one HTML file that needs nothing else, of a run or of two runs side by side."""

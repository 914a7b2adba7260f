"""Reports of a whole run: the summary in the terminal and the JSON report."""

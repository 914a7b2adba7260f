"""The prompt lock: what every template says and who answers it, in one file that is read in reviews."""

"""Keeping secrets out of cassettes: credentials learnt from requests, scrubbing, and a last look for leaks."""

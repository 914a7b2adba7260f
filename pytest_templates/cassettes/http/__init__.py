"""Catching the HTTP requests of a process, for the libraries that model clients use."""

"""Recordings of real model calls: kept in files for people, matched by what was asked, replayed without a network."""

"""The templates; programs import them from ``antiphon``."""

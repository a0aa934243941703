"""Requests that people decide, and what is said of them where those people are: views, messages, signatures."""

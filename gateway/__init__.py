"""Decides: facts in, decisions, masks and records out. Pure: time, keys and memory come in as arguments."""

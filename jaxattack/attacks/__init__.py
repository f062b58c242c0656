"""Families of attacks that do not know one another."""

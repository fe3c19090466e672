"""Recipes: short programs to start from, each run by a test."""

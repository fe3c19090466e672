"""Exercises of the textbook documents, each answered by an experiment."""

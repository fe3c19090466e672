"""Times the library against what it replaces; `make bench`."""

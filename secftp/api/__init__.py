"""The interface for Python programs. `secftp` itself has its public names, and imports them when they are used."""

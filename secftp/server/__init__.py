"""The server: `python -m secftp.server`, and `Server` for whoever embeds it."""

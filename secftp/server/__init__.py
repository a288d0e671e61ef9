"""The server: the program `secftpd`, and the engine behind `secftp.Server`."""

"""The client: `python -m secftp.client`, also installed as `secftp`."""

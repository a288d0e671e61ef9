"""The client for asyncio, compared with the blocking client and with the sftp of asyncssh."""

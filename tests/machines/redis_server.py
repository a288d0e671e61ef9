"""A Redis server as a process."""

from __future__ import annotations

import secrets

from tests.machines.processes import free_port, program
from tests.support.serving import HOST

_ATTEMPTS = 5  # another process may have taken the port in the meantime


class Redis:
    """A Redis with a password, which keeps everything in memory; it can be killed and started again, empty."""

    def __init__(self, processes, directory):
        self._processes = processes
        self._directory = directory
        self.password = secrets.token_hex(16)
        self.port = None
        self.process = None
        self.start()

    @property
    def url(self):
        """Its URL without the password."""
        return f"redis://{HOST}:{self.port}/0"

    @property
    def url_with_password(self):
        return f"redis://:{self.password}@{HOST}:{self.port}/0"

    @property
    def password_file(self):
        path = self._directory / "redis-password"
        path.write_text(self.password + "\n")
        path.chmod(0o600)
        return path

    def start(self):
        """Start it, for the first time on a free port, and later on the same one."""
        for attempt in range(_ATTEMPTS):
            port = self.port or free_port()
            # As a file, not as arguments, which all users of the machine can see.
            settings = self._directory / f"redis-{port}.conf"
            settings.write_text(
                f'bind {HOST}\nport {port}\nrequirepass {self.password}\nsave ""\nappendonly no\n'
                f"dir {self._directory}\ndaemonize no\nloglevel notice\n"
            )
            settings.chmod(0o600)
            self.process = self._processes.start("redis", program("redis-server"), settings)
            try:
                self.process.wait_for("Ready to accept connections")
            except AssertionError:
                if attempt + 1 == _ATTEMPTS or "in use" not in self.process.text:
                    raise
                continue
            self.port = port
            return

    def client(self):
        """A client of the library `redis`, as a context manager."""
        import redis

        return redis.Redis(host=HOST, port=self.port, password=self.password)

    def kill(self):
        """Kill it, with everything it had."""
        self.process.kill()

"""A PostgreSQL of its own for a measurement: in a temporary folder, on a Unix socket, without durability."""
import pathlib
import pwd
import os
import shutil
import subprocess
import tempfile

BIN = next(iter(sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), None)


class Postgres:
    """Used by `with`; it ends, and its folder goes, with that."""

    def __init__(self):
        if BIN is None:
            raise SystemExit("tests/bench/run: no PostgreSQL; run packaging/install-dependencies --bench")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="tallyman-pg-"))
        self.user = []
        if os.geteuid() == 0:  # it refuses to run as root
            owner = pwd.getpwnam("postgres")
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
            self.user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups"]

    def run(self, *words, **options):
        done = subprocess.run([*self.user, "env", "-i", f"PATH={BIN}:/usr/bin:/bin", "LC_ALL=C.UTF-8",
                               f"HOME={self.folder}", *map(str, words)], capture_output=True, text=True, **options)
        if done.returncode != 0:
            raise RuntimeError(f"{words[0]}: {done.stderr or done.stdout}")
        return done.stdout

    def __enter__(self):
        try:
            self.run("initdb", "-D", self.folder / "data", "-A", "trust", "-U", "postgres", "--no-sync", "-E", "UTF8")
            self.run("pg_ctl", "-D", self.folder / "data", "-s", "-w", "-t", "60", "-l", self.folder / "log", "start",
                     "-o", f"-c listen_addresses= -c unix_socket_directories={self.folder} -c fsync=off"
                           " -c shared_buffers=128MB -c max_wal_size=4GB -c autovacuum=off")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if (self.folder / "data/postmaster.pid").exists():
            self.run("pg_ctl", "-D", self.folder / "data", "-s", "-m", "immediate", "-w", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def sql(self, text, **options):
        return self.run("psql", "-h", self.folder, "-U", "postgres", "-qAtX", "-v", "ON_ERROR_STOP=1", "-c", text,
                        **options)

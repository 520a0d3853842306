"""Programs that keep a registry of their own, into which texts are imported and from which they are exported."""
import os
import shutil
import subprocess


class Wine:
    """Wine's reg.exe (Debian packages wine and wine64)."""

    def __init__(self, folder):
        self.folder = folder / "wine"
        (self.folder / "prefix").mkdir(parents=True)
        # Neither Mono nor Gecko, which Wine would ask for, and no display.
        overrides = "mscoree=d;mshtml=d;winemenubuilder.exe=d"
        self.environment = {
            **os.environ, "WINEPREFIX": str(self.folder / "prefix"), "WINEDEBUG": "-all", "WINEDLLOVERRIDES": overrides,
            "DISPLAY": "", "LC_ALL": "C", "XDG_RUNTIME_DIR": str(self.folder),
        }

    def __enter__(self):
        # One server for all that follows: by itself it ends after each program, and starts anew with all its services.
        subprocess.run(["wineserver", "-p"], env=self.environment, check=True)
        try:
            self.run("wineboot", "-i")
        except BaseException:
            self.__exit__()
            raise
        return self

    def run(self, *command):
        """What it prints. That goes through a file: a pipe would be kept open by the services that Wine starts."""
        path = self.folder / "printed"
        with path.open("wb") as printed:
            run = subprocess.run(command, cwd=self.folder, env=self.environment, stdout=printed, stderr=printed, timeout=120)
        if run.returncode != 0:
            raise RuntimeError(f"{command}: {path.read_bytes()[-2000:]}")
        return path.read_bytes()

    def begin(self, root, text):
        """Imports a text; of what was below `root` nothing is left."""
        try:
            self.run("wine", "reg", "delete", root, "/f")
        except RuntimeError:
            pass
        (self.folder / "in.reg").write_bytes(text)
        self.run("wine", "reg", "import", "in.reg")

    def export(self, root):
        self.run("wine", "reg", "export", root, "out.reg", "/y")
        return (self.folder / "out.reg").read_bytes()

    def query(self, root):
        return self.run("wine", "reg", "query", root, "/s")

    def __exit__(self, *_):
        subprocess.run(["wineserver", "-k"], env=self.environment)
        subprocess.run(["wineserver", "-w"], env=self.environment, timeout=60)


class Samba:
    """Samba's net (Debian package samba-common-bin)."""

    FOLDERS = ("private dir", "state directory", "lock directory", "cache directory")

    def __init__(self, folder):
        self.folder = folder / "samba"
        self.configuration = self.folder / "smb.conf"

    def begin(self, text):
        """Imports a text into an empty registry."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        rows = [f"{what} = {self.folder}" for what in self.FOLDERS]
        self.configuration.write_text("\n".join(["[global]", *rows, f"log file = {self.folder}/log", "registry shares = no", ""]))
        path = self.folder / "in.reg"
        path.write_bytes(text)
        self.net("import", str(path))

    def net(self, *arguments):
        command = ["net", "-s", self.configuration, "registry", *arguments]
        run = subprocess.run(command, capture_output=True, timeout=120)
        if run.returncode != 0:
            raise RuntimeError(f"net registry {arguments}: {run.stderr[:2000]}")

    def export(self, root, version=None):
        path = self.folder / "out.reg"
        self.net("export", root, str(path), *([version] if version else []))
        return path.read_bytes()

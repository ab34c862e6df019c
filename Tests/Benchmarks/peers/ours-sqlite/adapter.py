import os

from lib import relay
from load import load
from peerlib.files import FilePeer


class Adapter(FilePeer):
    def lay_out(self):
        relay.run_quietly([os.environ["TALLYPOST"], "init", "--database", f"sqlite:{self.file}"], self.stage.work / "ours.log")

    def insert(self, keys):
        load(f"sqlite:{self.file}", len(keys), keys[0].rpartition("-")[0])

    def workers(self):
        return [[os.environ["TALLYPOST"], "run", "--database", f"sqlite:{self.file}", "--route", f"bench={self.stage.url}"]]

    def remaining(self):
        return self.rows("SELECT count(*) FROM pending_tasks WHERE status <> 'completed'")[0][0]

import os

from lib import relay
from load import load
from peerlib.peer import Peer


class Adapter(Peer):
    def lay_out(self):
        relay.run_quietly([os.environ["TALLYPOST"], "init", "--database", self.database], self.stage.work / "ours.log")

    def insert(self, keys):
        load(self.database, len(keys), keys[0].rpartition("-")[0])

    def workers(self):
        return [[os.environ["TALLYPOST"], "run", "--database", self.database, "--route", f"bench={self.stage.url}"]]

    def remaining(self):
        return int(self.rows("SELECT count(*) FROM pending_tasks WHERE status <> 'completed'")[0][0])

from peerlib.peer import BIN, Peer

TABLE = """CREATE TABLE outbox (
    id bigserial PRIMARY KEY, key text NOT NULL UNIQUE, payload text NOT NULL, status text NOT NULL DEFAULT 'pending',
    created_at timestamptz NOT NULL DEFAULT now(), claimed_at timestamptz, completed_at timestamptz)"""
INDEX = "CREATE INDEX outbox_open ON outbox (id) WHERE status <> 'completed'"


class Adapter(Peer):
    def lay_out(self):
        self.rows(TABLE)
        self.rows(INDEX)

    def insert(self, keys):
        self.rows("INSERT INTO outbox (key, payload) SELECT unnest($1::text[]), $2", "{" + ",".join(keys) + "}", self.payload)

    def workers(self):
        return [[BIN / "python", self.directory / "worker.py"]] * 2

    def remaining(self):
        return int(self.rows("SELECT count(*) FROM outbox WHERE status <> 'completed'")[0][0])

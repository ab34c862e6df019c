import TallypostCore
import TallypostSQLite

/// Reads both databases, without ever writing to them: what the live view shows, and whether anything is still to be done.
final class Gauge {
    private let shop: SQLiteSession
    private let receiver: SQLiteSession

    /// Opens both for reading.
    init(directory: DemoDirectory) throws(StoreError) {
        shop = try SQLiteSession(reading: directory.shopDatabase)
        receiver = try SQLiteSession(reading: directory.receiverDatabase)
    }

    /// Both at (nearly) one moment; each by itself is one consistent read.
    func read() throws(StoreError) -> Snapshot {
        var snapshot = Snapshot()
        let tasks = try shop.rows(
            "SELECT type, status, count(*), sum(max(attempts - 1, 0)) FROM pending_tasks GROUP BY type, status")
        for row in tasks {
            guard row.count == 4, let type = row[0], let status = row[1], let count = row[2].flatMap({ Int($0) }) else {
                continue
            }
            snapshot.depth[status, default: 0] += count
            snapshot.retries += row[3].flatMap { Int($0) } ?? 0
            guard let task = DemoTask(rawValue: type) else { continue }
            switch TaskStatus(rawValue: status) {
            case .completed: snapshot.lines[task, default: .init()].completed += count
            case .failed, .timeout, .cancelled: snapshot.lines[task, default: .init()].dead += count
            default: snapshot.lines[task, default: .init()].open += count
            }
        }
        snapshot.orders = Int(try shop.number("SELECT count(*) FROM orders"))
        snapshot.rolledBack = Int(try shop.number("SELECT count(*) FROM rolled_back"))
        snapshot.repeats = Int(try receiver.number("SELECT count(*) FROM requests WHERE is_repeat = 1"))
        return snapshot
    }
}

import FoundationEssentials
package import TallypostCore

/// `tallypost_alerts`: whether each alert is firing. A change and the task that tells it are one transaction, so that however many relays
/// see it, it is told once.
package struct AlertBook {
    private let database: any ReconcileDatabase

    /// - Parameter database: whose alerts.
    package init(_ database: any ReconcileDatabase) { self.database = database }

    /// By name: the receiver's, a slash, and the alert's key.
    package func states() throws(StoreError) -> [String: AlertState] {
        var states: [String: AlertState] = [:]
        try database.run(.alertStates, []) { row in
            let name = row.text(0) ?? ""
            states[name] = AlertState(
                name: name, isFiring: row.integer(1) == 1, since: row.time(2) ?? Timestamp(microseconds: 0),
                epoch: row.integer(3) ?? 0,
                told: row.text(4).flatMap { try? JSONDecoder().decode(Alert.self, from: Data($0.utf8)) })
            return true
        }
        return states
    }

    /// Within ``ReconcileDatabase/write(_:)``: writes the changes that nobody else has written, with their tasks. How many.
    @discardableResult
    package func tell(_ changes: [AlertChange], now: Timestamp) throws(StoreError) -> Int {
        var told = 0
        for change in changes {
            var change = change
            let goesOn = change.before?.isFiring == true
            let since = goesOn ? change.before?.since ?? now : now
            change.alert.since = since.iso8601
            change.alert.toldAt = now.iso8601
            let moved = try database.run(
                .moveAlert,
                [
                    .text(change.name), .boolean(change.isFiring), .time(change.isFiring ? since : now),
                    .integer(change.before?.epoch ?? 0), .text(AlertMessage.json(change.alert)),
                ])
            guard moved > 0 else { continue }
            _ = try database.insert(change.draft(now: now))
            told += 1
        }
        return told
    }
}

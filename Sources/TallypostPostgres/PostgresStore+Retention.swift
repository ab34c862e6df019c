public import TallypostCore

extension PostgresStore {
    /// Rows that one step removes, at most, and how long it should take: a task that comes meanwhile waits for it.
    static let purgeWalk = PurgeWalk(most: 2_000, target: .milliseconds(8))
    /// SQLSTATE query_canceled: `statement_timeout` was up.
    private static let queryCancelled = "57014"

    /// One transaction of one statement, which takes no row that somebody else has locked; broken off by the server when it takes
    /// too long.
    public func purge(_ policy: RetentionPolicy) throws(StoreError) -> Purge {
        let walk = self.purgeWalk
        let steps = [
            step("purge_patience"),
            step("purge_final") {
                $0.append(String(walk.cursor ?? .min))
                $0.append(walk.looked)
                $0.append(walk.rows)
                $0.append(policy.completed.map { String($0.milliseconds) })
                $0.append(policy.final.map { String($0.milliseconds) })
                $0.append("retention: " + policy.spoken)
            },
        ]
        let result: PostgresResult
        do throws(StoreError) {
            result = try run([steps])[0].get()[1]
        } catch {
            guard error.code == Self.queryCancelled else { throw error }
            guard purgeWalk.brokeOff(after: visitTook) else {
                // Not even a few rows in that time: a person should hear of it.
                throw StoreError(kind: .unwritable, code: error.code, operation: error.operation, message: error.message)
            }
            return Purge(removed: 0)
        }
        let removed = Int(result.integer(0, 0) ?? 0)
        purgeWalk.took(
            visitTook, removed: removed, looked: Int(result.integer(0, 1) ?? 0), upTo: result.integer(0, 2) ?? .min)
        let isAtEnd = result.integer(0, 3) == 1
        return Purge(removed: removed, rest: isAtEnd ? purgeWalk.ended(policy) : nil)
    }
}

import Glibc
public import TallypostCore

extension PostgresStore {
    /// In mode "auto": takes the idle guard, so that inserts notify; looks once more when it has just got it; then sleeps
    /// until a notification. Without the guard (an application's transaction still holds it shared, or another relay is the one
    /// that sleeps on it) it waits a little and lets the caller look. It never blocks on the lock.
    public func waitForWork(timeout: TimeSpan, interrupt: Int32) throws(StoreError) -> Bool {
        if pollOnly {
            _ = Self.wait(for: [interrupt], timeout)
            return false
        }
        if guardState == .toBeReleased { guardState = .on }
        if guardState == .off {
            let result = try run("guard")
            if result.integer(0, 0) == 1 {
                guardState = .on
                guardWait = Self.shortestGuardWait
                // Rows that committed before the guard was ours told nobody: look once more.
                return true
            }
        }
        guard let link else {
            throw StoreError(kind: .connection, code: "closed", operation: "listen", message: "the store is not open")
        }
        if link.takeNotifications() { return true }
        let patience = guardState == .on ? timeout : min(timeout, guardWait)
        if guardState == .off { guardWait = min(guardWait + guardWait, Self.longestGuardWait) }
        let ready = Self.wait(for: [link.descriptor, interrupt], patience)
        if ready.contains(link.descriptor) {
            do {
                try link.consume()
            } catch {
                self.link = nil
                throw error
            }
            return link.takeNotifications()
        }
        return false
    }

    static let shortestGuardWait = TimeSpan.milliseconds(2)
    static let longestGuardWait = TimeSpan.milliseconds(250)

    /// The descriptors that are readable within the time.
    private static func wait(for descriptors: [Int32], _ span: TimeSpan) -> [Int32] {
        var requests = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let milliseconds = Int32(min(max(span.nanoseconds, 0) / 1_000_000, Int64(Int32.max)))
        let count = unsafe poll(&requests, nfds_t(requests.count), milliseconds)
        return count > 0 ? requests.filter { $0.revents != 0 }.map(\.fd) : []
    }
}

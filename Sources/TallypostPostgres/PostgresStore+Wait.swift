import Glibc
public import TallypostCore

extension PostgresStore {
    /// In mode "auto": takes the idle guard, so that inserts notify; looks once more when it has just got it; then sleeps
    /// until a notification. It never blocks on the lock. Where another relay sleeps on the guard, inserts notify this one as well,
    /// and it sleeps in the same way. Where transactions of the application hold it shared, none of them will tell: the caller looks
    /// again soon, and the sooner, the later work was found there.
    public func waitForWork(timeout: TimeSpan, interrupt: Int32) throws(StoreError) -> Bool {
        if pollOnly {
            _ = Self.wait(for: [interrupt], timeout)
            return false
        }
        if guardState == .toBeReleased { guardState = .on }
        if guardState != .on {
            let before = guardState
            let result = try run("guard")
            guardState = result.integer(0, 0) == 1 ? .on : result.integer(0, 1) == 1 ? .off : .elsewhere
            // Rows that committed before the guard was taken told nobody: look once more.
            if guardState != .off, guardState != before { return true }
        }
        guard let link else {
            throw StoreError(kind: .connection, code: "closed", operation: "listen", message: "the store is not open")
        }
        hasNews = link.takeNotifications()
        if hasNews { return true }
        let patience = guardState == .off ? min(timeout, guardWait) : timeout
        if guardState == .off { guardWait = min(guardWait + guardWait, Self.longestGuardWait) }
        let ready = Self.wait(for: [link.descriptor, interrupt], patience)
        if ready.contains(link.descriptor) {
            do {
                try link.consume()
            } catch {
                self.link = nil
                throw error
            }
            hasNews = link.takeNotifications()
            return hasNews
        }
        // Nobody tells: the caller must look.
        return guardState == .off && patience < timeout
    }

    static let shortestGuardWait = TimeSpan.milliseconds(1)
    static let longestGuardWait = TimeSpan.milliseconds(25)

    /// The descriptors that are readable within the time.
    private static func wait(for descriptors: [Int32], _ span: TimeSpan) -> [Int32] {
        var requests = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
        let milliseconds = Int32(min(max(span.nanoseconds, 0) / 1_000_000, Int64(Int32.max)))
        let count = unsafe poll(&requests, nfds_t(requests.count), milliseconds)
        return count > 0 ? requests.filter { $0.revents != 0 }.map(\.fd) : []
    }
}

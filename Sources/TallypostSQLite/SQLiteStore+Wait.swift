import Glibc
public import TallypostCore

extension SQLiteStore {
    /// `PRAGMA data_version` is the truth: it changes with every commit of another connection and with none of ours.
    /// inotify only says when to ask.
    public func waitForWork(timeout: TimeSpan, interrupt: Int32) throws(StoreError) -> Bool {
        let session = try opened(for: "data_version")
        let end = Instant.monotonic + timeout
        // Old events first. Most are of our own commits, but one may be of a commit that cannot be seen yet.
        var eagerUntil = Instant.monotonic
        if session.watch?.drain() ?? false { eagerUntil = eagerUntil + Self.lookOut }
        while true {
            if try hasChanged(session) { return true }
            let now = Instant.monotonic
            guard now < end else { return false }
            // Asked between times too: a write through another mount or container makes no event here.
            let pause = session.watch == nil ? Self.poll : now < eagerUntil ? Self.eager : Self.lookOut
            switch Self.wait(on: session.watch?.descriptor, interrupt, for: min(end - now, pause)) {
            case .interrupted: return false
            case .nothing: continue
            case .event:
                guard session.watch?.drain() ?? false else { continue }
                if try becomesVisible(session, until: end) { return true }
                eagerUntil = .monotonic + Self.lookOut
            }
        }
    }

    /// Between two looks at the version without inotify.
    private static let poll = TimeSpan.milliseconds(20)
    /// The same with it.
    private static let lookOut = TimeSpan.milliseconds(100)
    /// The log is written before the commit can be seen: look again so often …
    private static let recheck = TimeSpan.microseconds(200)
    /// … and for so long; then, because the writer may be waiting for its disk in between, …
    private static let settling = TimeSpan.milliseconds(5)
    /// … so often, until it is time for the next look anyway.
    private static let eager = TimeSpan.milliseconds(2)

    private func hasChanged(_ session: Session) throws(StoreError) -> Bool {
        let version = try session.connection.dataVersion()
        defer { seenVersion = version }
        return version != seenVersion
    }

    private func becomesVisible(_ session: Session, until end: Instant) throws(StoreError) -> Bool {
        let end = min(end, .monotonic + Self.settling)
        while true {
            if try hasChanged(session) { return true }
            guard Instant.monotonic < end else { return false }
            sleep(for: Self.recheck)
        }
    }

    private enum Wakening { case interrupted, event, nothing }

    private static func wait(on watch: Int32?, _ interrupt: Int32, for span: TimeSpan) -> Wakening {
        var descriptors = [pollfd(fd: interrupt, events: Int16(POLLIN), revents: 0)]
        if let watch { descriptors.append(pollfd(fd: watch, events: Int16(POLLIN), revents: 0)) }
        // Rounded up: a wait of less than a millisecond must not become a busy loop.
        let milliseconds = Int32(clamping: (span.nanoseconds + 999_999) / 1_000_000)
        let count = unsafe Glibc.poll(&descriptors, nfds_t(descriptors.count), milliseconds)
        guard count > 0 else { return .nothing }
        return descriptors[0].revents != 0 ? .interrupted : .event
    }
}

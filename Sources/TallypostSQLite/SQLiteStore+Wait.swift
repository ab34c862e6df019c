import Glibc
public import TallypostCore

extension SQLiteStore {
    /// `PRAGMA data_version` is the truth: it changes with every commit of another connection and with none of ours.
    /// inotify only says when to ask.
    public func waitForWork(timeout: TimeSpan, interrupt: Int32) throws(StoreError) -> Bool {
        let session = try opened(for: "data_version")
        // Old events first, among them those of our own commits: what they told of is in the version.
        _ = session.watch?.drain()
        let end = Instant.monotonic + timeout
        while true {
            if try hasChanged(session) { return true }
            let left = end - .monotonic
            guard left > .zero else { return false }
            // Asked between times too: a write through another mount or container makes no event here.
            switch Self.wait(
                on: session.watch?.descriptor, interrupt, for: min(left, session.watch == nil ? Self.poll : Self.lookOut))
            {
            case .interrupted: return false
            case .nothing: continue
            case .event:
                guard session.watch?.drain() ?? false else { continue }
                if try becomesVisible(session, until: end) { return true }
            }
        }
    }

    /// Between two looks at the version without inotify.
    private static let poll = TimeSpan.milliseconds(20)
    /// The same with it.
    private static let lookOut = TimeSpan.milliseconds(100)
    /// The log is written before the commit can be seen: look again so often …
    private static let recheck = TimeSpan.microseconds(200)
    /// … and for so long.
    private static let settling = TimeSpan.milliseconds(5)

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

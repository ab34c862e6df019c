import Glibc
import TallypostCore

/// How long to wait for a lock. SQLite's own busy handler sleeps up to 100 ms at a time and starves behind a writer that
/// comes back at once; short, jittered sleeps do not.
final class BusyBackoff {
    /// How long in all, unless told otherwise, before the caller hears `.busy`.
    static let usualPatience = TimeSpan.seconds(5)
    private static let shortest: UInt64 = 100_000
    private static let longest: UInt64 = 4_000_000

    private let patience: TimeSpan
    private var random = RandomSource(seed: UInt64(bitPattern: Instant.monotonic.nanoseconds) ^ UInt64(getpid()))
    private var since = Instant.monotonic

    init(patience: TimeSpan) { self.patience = patience }

    /// Sleeps once; false when the patience is at its end.
    func wait(round: Int32) -> Bool {
        if round == 0 { since = .monotonic }
        guard Instant.monotonic - since < patience else { return false }
        let ceiling = min(Self.longest, Self.shortest << UInt64(min(max(round, 0), 6)))
        sleep(for: TimeSpan(nanoseconds: Int64(Self.shortest / 2 + random.next(upTo: ceiling))))
        return true
    }
}

/// SQLite's callback. A file-level function: it must belong to no actor.
func waitForLock(context: UnsafeMutableRawPointer?, round: Int32) -> Int32 {
    guard let context = unsafe context else { return 0 }
    return unsafe Unmanaged<BusyBackoff>.fromOpaque(context).takeUnretainedValue().wait(round: round) ? 1 : 0
}

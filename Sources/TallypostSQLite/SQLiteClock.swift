import Glibc
import TallypostCore

// SQLite has no clock of its own: its 'now' is the machine's, and so is this. Read once a transaction and handed to every
// statement, so that all rows of a step agree.

extension Timestamp {
    /// The machine's time of day, in whole milliseconds: what SQLite's text can hold.
    static var machineNow: Timestamp {
        var now = timespec()
        unsafe clock_gettime(CLOCK_REALTIME, &now)
        return Timestamp(milliseconds: Int64(now.tv_sec) * 1_000 + Int64(now.tv_nsec) / 1_000_000)
    }

    init(milliseconds: Int64) {
        let (product, overflow) = milliseconds.multipliedReportingOverflow(by: 1_000)
        self.init(microseconds: overflow ? (milliseconds < 0 ? .min : .max) : product)
    }

    /// Whole milliseconds since the epoch, rounded down.
    var milliseconds: Int64 { microseconds >= 0 ? microseconds / 1_000 : (microseconds - 999) / 1_000 }
}

extension Instant {
    /// This process's clock for waiting.
    static var monotonic: Instant {
        var now = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &now)
        return Instant(nanoseconds: Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec))
    }
}

/// Sleeps on this thread; a signal may end it early.
func sleep(for span: TimeSpan) {
    guard span > .zero else { return }
    var request = timespec(
        tv_sec: Int(span.nanoseconds / 1_000_000_000), tv_nsec: Int(span.nanoseconds % 1_000_000_000))
    unsafe nanosleep(&request, nil)
}

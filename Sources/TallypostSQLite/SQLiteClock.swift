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

    /// ISO 8601 in UTC with milliseconds, as the contract has it: `2026-01-02T03:04:05.678Z`. Clamped to the years 0 to 9999.
    ///
    /// The date is Howard Hinnant's `civil_from_days` ("chrono-Compatible Low-Level Date Algorithms").
    var iso8601: String {
        let clamped = min(max(milliseconds, -62_167_219_200_000), 253_402_300_799_999)
        let day = clamped >= 0 ? clamped / 86_400_000 : (clamped - 86_399_999) / 86_400_000
        let inDay = clamped - day * 86_400_000
        let shifted = day + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        let year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
        var text: [UInt8] = []
        text.reserveCapacity(24)
        func digits(_ value: Int64, _ count: Int, then mark: Unicode.Scalar) {
            var unit: Int64 = count == 4 ? 1_000 : count == 3 ? 100 : 10
            while unit > 0 {
                text.append(UInt8(ascii: "0") + UInt8(truncatingIfNeeded: value / unit % 10))
                unit /= 10
            }
            text.append(UInt8(ascii: mark))
        }
        digits(year, 4, then: "-")
        digits(month, 2, then: "-")
        digits(dayOfYear - (153 * monthFromMarch + 2) / 5 + 1, 2, then: "T")
        digits(inDay / 3_600_000, 2, then: ":")
        digits(inDay / 60_000 % 60, 2, then: ":")
        digits(inDay / 1_000 % 60, 2, then: ".")
        digits(inDay % 1_000, 3, then: "Z")
        return String(decoding: text, as: UTF8.self)
    }
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

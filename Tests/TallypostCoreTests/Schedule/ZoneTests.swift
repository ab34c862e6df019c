import Glibc
import Testing

@testable import TallypostCore

/// The system's tzdata, read by ourselves and by the C library's own `zdump`.
enum SystemZone {
    enum Missing: Error { case package(String) }

    static func bytes(_ name: String) throws -> [UInt8] {
        guard let file = unsafe fopen("/usr/share/zoneinfo/\(name)", "rb") else { throw Missing.package("tzdata") }
        defer { unsafe fclose(file) }
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = unsafe fread(&bytes, 1, bytes.count, file)
        return Array(bytes.prefix(count))
    }

    static func named(_ name: String) throws -> Zone { try Zone(tzif: bytes(name)) }

    /// What `zdump -v` says: moments to either side of every change, and the offset there.
    static func dump(_ name: String) throws -> [(moment: Int64, offset: Int64)] {
        guard let pipe = unsafe popen("zdump -v -c 1990,2060 \(name)", "r") else { throw Missing.package("libc-bin") }
        defer { unsafe pclose(pipe) }
        var text: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 4_096)
        while case let count = unsafe fread(&buffer, 1, buffer.count, pipe), count > 0 { text += buffer.prefix(count) }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        return String(decoding: text, as: UTF8.self).split(separator: "\n").compactMap { line in
            // Europe/London  Sun Mar 25 00:59:59 1990 UT = Sun Mar 25 00:59:59 1990 GMT isdst=0 gmtoff=0
            let words = line.split(separator: " ")
            guard words.count == 16, let month = months.firstIndex(of: String(words[2])), let day = Int64(words[3]),
                let year = Int64(words[5]), let offset = Int64(words[15].dropFirst(7))
            else { return nil }
            let clock = words[4].split(separator: ":").compactMap { Int64($0) }
            let date = CivilDay(year: year, month: Int64(month) + 1, day: day).daysSinceEpoch
            return (date * 86_400 + clock[0] * 3_600 + clock[1] * 60 + clock[2], offset)
        }
    }
}

@Suite struct ZoneTests {
    @Test(arguments: [
        ("Europe/London", 250), ("America/New_York", 250), ("Australia/Sydney", 250), ("Australia/Lord_Howe", 250),
        ("Asia/Kathmandu", 0), ("Africa/Casablanca", 200), ("Europe/Dublin", 250), ("America/Nuuk", 250), ("Asia/Gaza", 200),
        ("Pacific/Apia", 10), ("UTC", 0), ("EST5EDT", 250),
    ])
    func `offsets are those of the C library's own reader, at every change from 1990 to 2060`(name: String, fewest: Int) throws {
        let zone = try SystemZone.named(name)
        let dump = try SystemZone.dump(name)
        #expect(dump.count >= fewest, "zdump (libc-bin) says too little")
        for line in dump { #expect(zone.offset(at: line.moment) == line.offset, "\(line.moment)") }
    }

    @Test func `a zone without changes has one stretch`() throws {
        let zone = try SystemZone.named("Etc/GMT-3")
        #expect(zone.offset(at: 0) == 10_800 && zone.offset(at: 1 << 40) == 10_800)
        #expect(zone.segment(at: 5) == .init(start: .min, end: .max, offset: 10_800, offsetBefore: 10_800))
    }

    @Test func `a file that is cut off anywhere is refused and does no harm`() throws {
        let bytes = try SystemZone.bytes("Europe/London")
        for length in 0..<bytes.count { #expect(throws: ScheduleError.self) { try Zone(tzif: Array(bytes.prefix(length))) } }
    }

    @Test func `a file with any byte turned round is read or refused, and never traps`() throws {
        let bytes = try SystemZone.bytes("America/New_York")
        for index in bytes.indices {
            var spoilt = bytes
            spoilt[index] ^= 0xFF
            _ = (try? Zone(tzif: spoilt))?.offset(at: 1_700_000_000)
        }
    }

    @Test func `a zone that counts leap seconds is refused with the mend`() throws {
        let bytes = try SystemZone.bytes("right/Europe/London")
        let error = #expect(throws: ScheduleError.self) { try Zone(tzif: bytes) }
        #expect(error?.reason.contains("right/") == true)
    }

    @Test(arguments: [
        ("EST5", -18_000), ("<+0545>-5:45", 20_700), ("XXX3EDT4,0/0,J365/23", -14_400), ("IST-1GMT0,M10.5.0,M3.5.0/1", 0),
        ("STD-10:30:15", 37_815),
    ])
    func `rules of the future are read as POSIX has them`(text: String, winter: Int) throws {
        let rule = try ZoneRule(parsing: text)
        var changes: [(at: Int64, offset: Int64)] = []
        if let summer = rule.summer {
            for year in Int64(2_020)...2_030 {
                let start = (at: summer.start.moment(in: year) - rule.standardOffset, offset: summer.offset)
                let end = (at: summer.end.moment(in: year) - summer.offset, offset: rule.standardOffset)
                changes += start.at <= end.at ? [start, end] : [end, start]
            }
        }
        // Noon of 2026-01-15.
        #expect(Zone(firstOffset: rule.standardOffset, changes: changes).offset(at: 1_768_478_400) == Int64(winter))
    }

    @Test(arguments: ["", "GMT", "GMT0BST", "GMT0BST,M3.5.0", "GMT0BST,M13.5.0,M10.5.0", "GMT0BST,M3.5.0,M10.5.0,", "G0", "<+0"])
    func `what is no rule is refused`(text: String) {
        #expect(throws: ScheduleError.self) { try ZoneRule(parsing: text) }
    }
}

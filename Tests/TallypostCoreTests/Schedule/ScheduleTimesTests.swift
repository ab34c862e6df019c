import Testing

@testable import TallypostCore

@Suite struct CronPatternTests {
    @Test(arguments: [
        ("*/15 * * * *", "2026-01-01T00:00", "2026-01-01T00:15"), ("0 2 * * *", "2026-01-01T02:00", "2026-01-02T02:00"),
        ("30 4 1,15 * 5", "2026-01-01T04:30", "2026-01-02T04:30"), ("30 4 1,15 * *", "2026-01-01T04:30", "2026-01-15T04:30"),
        // A field that begins with a star does not restrict, so the other one must fit as well.
        ("0 0 */2 * mon", "2026-01-01T00:00", "2026-01-05T00:00"), ("0 0 1-7 * */2", "2026-01-01T00:00", "2026-01-03T00:00"),
        ("0 0 * * 7", "2026-01-01T00:00", "2026-01-04T00:00"), ("0 0 * * fri-sun", "2026-01-03T00:00", "2026-01-04T00:00"),
        ("0 0 * * 5-7", "2026-01-04T00:00", "2026-01-09T00:00"), ("0 0 29 2 *", "2026-01-01T00:00", "2028-02-29T00:00"),
        ("0 0 29 FEB *", "2096-03-01T00:00", "2104-02-29T00:00"), ("59 23 31 dec *", "2026-12-31T23:59", "2027-12-31T23:59"),
        ("1-59/20 9-17/4 * jan-mar *", "2026-01-01T09:41", "2026-01-01T13:01"),
        ("@hourly", "2026-01-01T00:30", "2026-01-01T01:00"),
        ("@daily", "2026-01-01T00:00", "2026-01-02T00:00"), ("@weekly", "2026-01-01T00:00", "2026-01-04T00:00"),
        ("@monthly", "2026-01-01T00:00", "2026-02-01T00:00"), ("@yearly", "2026-01-01T00:00", "2027-01-01T00:00"),
        ("0\t0 1 1 *", "2025-06-01T00:00", "2026-01-01T00:00"), ("5 0 * * *", "1969-12-31T00:05", "1970-01-01T00:05"),
    ])
    func `the next time is the one that crontab means`(text: String, after: String, next: String) throws {
        let times = ScheduleTimes.cron(try CronPattern(parsing: text), .utc)
        #expect(times.next(after: seconds(after)).map(clock) == next)
    }

    @Test(arguments: [
        ("", "five fields"), ("* * * *", "five fields"), ("* * * * * *", "five fields"), ("60 * * * *", "minute"),
        ("* 24 * * *", "hour"), ("* * 0 * *", "day of the month"), ("* * * 13 *", "month"), ("* * * * 8", "week"),
        ("* * * * mon-", "week"), ("5/2 * * * *", "minute"), ("*/0 * * * *", "minute"), ("9-5 * * * *", "minute"),
        ("1,,2 * * * *", "minute"), ("-1 * * * *", "minute"), ("1/2/3 * * * *", "minute"), ("* * * jan-mars *", "month"),
        ("* * mon * *", "day of the month"), ("٣ * * * *", "minute"), ("@dialy", "five fields"),
        ("@reboot", "start of the relay"),
        ("0 0 31 2 *", "never"), ("0 0 31 4,6,9,11 *", "never"),
    ])
    func `what it does not mean is refused by the field's name`(text: String, words: String) {
        let error = #expect(throws: ScheduleError.self) { try CronPattern(parsing: text) }
        #expect(error?.reason.contains(words) == true)
    }

    @Test func `the next time is never later than a look at every minute finds`() throws {
        var random = RandomSource(seed: 7)
        for _ in 0..<60 {
            func field(_ low: Int, _ high: Int) -> String {
                let first = low + Int(random.next(upTo: UInt64(high - low)))
                switch random.next(upTo: 3) {
                case 0: return "*"
                case 1: return "\(first)"
                case 2: return "\(first)-\(high)/\(1 + random.next(upTo: 4))"
                default: return "*/\(1 + random.next(upTo: 6))"
                }
            }
            let text = [field(0, 59), field(0, 23), field(1, 28), "*", field(0, 6)].joined(separator: " ")
            let pattern = try CronPattern(parsing: text)
            let start = seconds("2026-02-20T11:17")
            let found = try #require(pattern.next(from: start + 60))
            var minute = start + 60
            while !fits(pattern, minute) { minute += 60 }
            #expect(found == minute, "\(text)")
        }
    }

    /// The plainest reading of a pattern.
    private func fits(_ pattern: CronPattern, _ local: Int64) -> Bool {
        let date = CivilDay(daysSinceEpoch: local / 86_400)
        func has(_ mask: UInt64, _ value: Int64) -> Bool { mask >> UInt64(value) & 1 == 1 }
        let (inMonth, inWeek) = (has(pattern.days, date.day), has(pattern.weekdays, (local / 86_400 + 4) % 7))
        return has(pattern.minutes, local / 60 % 60) && has(pattern.hours, local / 3_600 % 24) && has(pattern.months, date.month)
            && (pattern.eitherDay ? inMonth || inWeek : inMonth && inWeek)
    }
}

@Suite struct ScheduleTimesTests {
    private func ticks(_ text: String, _ zone: String, from: String, to: String) throws -> [String] {
        let times = ScheduleTimes.cron(try CronPattern(parsing: text), try SystemZone.named(zone))
        var found: [String] = []
        var moment = seconds(from) - 1
        while let tick = times.next(after: moment), tick < seconds(to) {
            found.append(clock(tick))
            moment = tick
        }
        return found
    }

    @Test func `a time that is skipped comes once, at the first moment after the gap`() throws {
        // London, 2026-03-29: 01:00 GMT becomes 02:00 BST.
        #expect(
            try ticks("30 1 * * *", "Europe/London", from: "2026-03-28T00:00", to: "2026-03-31T00:00")
                == ["2026-03-28T01:30", "2026-03-29T01:00", "2026-03-30T00:30"])
        // Several that fall into the gap, and one at its end, are one.
        #expect(
            try ticks("*/20 1,2 * * *", "Europe/London", from: "2026-03-29T00:00", to: "2026-03-29T02:00")
                == ["2026-03-29T01:00", "2026-03-29T01:20", "2026-03-29T01:40"])
        // New York, 2026-03-08: 02:00 EST becomes 03:00 EDT.
        #expect(
            try ticks("15 2 * * *", "America/New_York", from: "2026-03-08T00:00", to: "2026-03-10T00:00")
                == ["2026-03-08T07:00", "2026-03-09T06:15"])
        // Lord Howe, 2026-10-04: 02:00 becomes 02:30.
        #expect(
            try ticks("10 2 * * *", "Australia/Lord_Howe", from: "2026-10-03T00:00", to: "2026-10-05T00:00")
                == ["2026-10-03T15:30", "2026-10-04T15:10"])
        // Apia had no 30 December 2011.
        #expect(
            try ticks("0 12 * * *", "Pacific/Apia", from: "2011-12-29T00:00", to: "2012-01-01T00:00")
                == ["2011-12-29T22:00", "2011-12-30T10:00", "2011-12-30T22:00", "2011-12-31T22:00"])
    }

    @Test func `a time that comes twice counts the first time`() throws {
        // London, 2026-10-25: 02:00 BST becomes 01:00 GMT.
        #expect(
            try ticks("30 1 * * *", "Europe/London", from: "2026-10-24T00:00", to: "2026-10-27T00:00")
                == ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"])
        #expect(
            try ticks("*/30 1,2 * * *", "Europe/London", from: "2026-10-25T00:00", to: "2026-10-25T12:00")
                == ["2026-10-25T00:00", "2026-10-25T00:30", "2026-10-25T02:00", "2026-10-25T02:30"])
        // Lord Howe, 2026-04-05: 02:00 becomes 01:30.
        #expect(
            try ticks("45 1 * * *", "Australia/Lord_Howe", from: "2026-04-04T00:00", to: "2026-04-06T00:00")
                == ["2026-04-04T14:45", "2026-04-05T15:15"])
    }

    @Test func `a pattern for every hour goes by elapsed time through both changes`() throws {
        #expect(
            try ticks("30 * * * *", "Europe/London", from: "2026-10-24T23:00", to: "2026-10-25T03:00")
                == ["2026-10-24T23:30", "2026-10-25T00:30", "2026-10-25T01:30", "2026-10-25T02:30"])
        #expect(
            try ticks("30 */1 * * *", "Europe/London", from: "2026-03-29T00:00", to: "2026-03-29T03:00")
                == ["2026-03-29T00:30", "2026-03-29T01:30", "2026-03-29T02:30"])
    }

    @Test(arguments: [
        "Europe/London", "America/New_York", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca",
    ])
    func `once a day is once a day for forty years, at the time of day wherever it exists`(name: String) throws {
        let zone = try SystemZone.named(name)
        for text in ["0 2 * * *", "30 1 * * *", "15 2 * * *", "0 3 * * *", "59 23 * * *", "0 0 * * *"] {
            let pattern = try CronPattern(parsing: text)
            let times = ScheduleTimes.cron(pattern, zone)
            let wall = try #require(pattern.next(from: 0))
            var day = CivilDay(year: 2_020, month: 1, day: 1).daysSinceEpoch
            var moment = day * 86_400 - zone.offset(at: day * 86_400) - 1
            for _ in 0..<(40 * 365) {
                let tick = try #require(times.next(after: moment))
                let local = tick + zone.offset(at: tick)
                #expect(tick > moment && local.dividedDown(by: 86_400) == day, "\(text) in \(name): \(clock(tick))")
                let segment = zone.segment(at: tick)
                let isAfterGap = tick == segment.start && segment.offset > segment.offsetBefore
                #expect(isAfterGap || local == day * 86_400 + wall, "\(text) in \(name): \(clock(tick))")
                moment = tick
                day += 1
            }
        }
    }

    @Test func `an interval counts from 1970, so that all relays agree`() {
        let times = ScheduleTimes.every(90)
        #expect(times.next(after: 0) == 90 && times.next(after: 89) == 90 && times.next(after: 90) == 180)
        #expect(times.latest(atOrBefore: 179, notBefore: 0) == 90)
        #expect(times.latest(atOrBefore: 179, notBefore: 91) == nil)
    }

    @Test func `the latest tick is found however rare`() throws {
        for (text, latest) in [
            ("* * * * *", "2026-03-29T12:00"), ("0 2 * * *", "2026-03-29T01:00"), ("0 1 28 * *", "2026-03-28T01:00"),
        ] {
            let times = ScheduleTimes.cron(try CronPattern(parsing: text), try SystemZone.named("Europe/London"))
            let moment = seconds("2026-03-29T12:00") + 30
            #expect(times.latest(atOrBefore: moment, notBefore: moment - 7 * 86_400).map(clock) == latest)
        }
        let yearly = ScheduleTimes.cron(try CronPattern(parsing: "@yearly"), .utc)
        #expect(yearly.latest(atOrBefore: seconds("2026-03-29T12:00"), notBefore: seconds("2026-03-28T12:00")) == nil)
    }

    @Test func `a tick's key names it, and its task is due since then`() {
        let schedule = Schedule(
            name: "nightly", times: .every(60), task: TaskDraft(type: "report", payload: "{}", others: ["subject": "s"]))
        let draft = schedule.draft(of: seconds("2026-03-29T01:00"))
        #expect(draft.idempotencyKey == "schedule-nightly-2026-03-29T01:00:00Z")
        #expect(draft.others == ["subject": "s", "run_at": "2026-03-29T01:00:00.000Z"])
        #expect(draft.type == "report" && draft.payload == "{}")
    }
}

/// `2026-03-29T01:00` in UTC as seconds.
func seconds(_ text: String) -> Int64 {
    let parts = text.split { "-T:".contains($0) }.compactMap { Int64($0) }
    return CivilDay(year: parts[0], month: parts[1], day: parts[2]).daysSinceEpoch * 86_400 + parts[3] * 3_600 + parts[4] * 60
}

func clock(_ seconds: Int64) -> String { String(Timestamp(microseconds: seconds * 1_000_000).iso8601.prefix(16)) }

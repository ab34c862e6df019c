import Testing

@testable import TallypostCore
@testable import TallypostReconciliation

private func utc(_ year: Int64, _ month: Int64, _ day: Int64, _ hour: Int64 = 0, _ minute: Int64 = 0) -> Timestamp {
    let days = CivilDay(year: year, month: month, day: day).daysSinceEpoch
    return Timestamp(microseconds: ((days * 24 + hour) * 60 + minute) * 60_000_000)
}

private func zone(_ first: Int64, _ changes: [(at: Timestamp, hours: Int64)]) -> Zone {
    Zone(firstOffset: first * 3_600, changes: changes.map { ($0.at.microseconds / 1_000_000, $0.hours * 3_600) })
}

struct PeriodTests {
    private static let london = zone(0, [(utc(2026, 3, 29, 1), 1), (utc(2026, 10, 25, 1), 0)])
    /// Midnight is skipped in spring and comes back in autumn, as in Chile.
    private static let santiago = zone(-3, [(utc(2026, 4, 5, 3), -4), (utc(2026, 9, 6, 4), -3)])
    /// One o'clock is put back to midnight, as in Cuba.
    private static let havana = zone(-4, [(utc(2026, 11, 1, 5), -5)])
    /// The 30th of December 2011 was left out.
    private static let apia = zone(-10, [(utc(2011, 12, 30, 10), 14)])

    private func period(_ text: String, _ zone: Zone = london, now: Timestamp = utc(2026, 11, 21, 12)) throws -> Period {
        try Period(parsing: text, zone: zone, zoneName: "Some/Zone", now: now)
    }

    @Test func `days, months and ranges are cut at the zone's midnights`() throws {
        let day = try period("2026-07-19")
        #expect(day == Period(from: utc(2026, 7, 18, 23), to: utc(2026, 7, 19, 23), zone: "Some/Zone", label: "2026-07-19"))
        let month = try period("2026-10")
        #expect(month == Period(from: utc(2026, 9, 30, 23), to: utc(2026, 11, 1), zone: "Some/Zone", label: "2026-10"))
        let range = try period("2026-11-01..2026-11-15")
        #expect(
            range == Period(from: utc(2026, 11, 1), to: utc(2026, 11, 16), zone: "Some/Zone", label: "2026-11-01..2026-11-15"))
        #expect(try period("2026-10..2026-11").to == utc(2026, 12, 1))
        #expect(try period("2026-11-03..2026-11-03").label == "2026-11-03")
        #expect(try period("2025-12").to == utc(2026, 1, 1))
        #expect(try period("2024-02-29").from == utc(2024, 2, 29))
    }

    @Test func `today is the zone's today, and names become dates`() throws {
        let late = utc(2026, 7, 31, 23, 30)
        #expect(try period("today", now: late).label == "2026-08-01")
        #expect(try period("yesterday", now: late).label == "2026-07-31")
        #expect(try period("this-month", now: late).label == "2026-08")
        #expect(try period("last-month", now: late).label == "2026-07")
        #expect(try period("last-month", now: utc(2026, 1, 5)).label == "2025-12")
    }

    @Test func `days of daylight saving have 23 and 25 hours`() throws {
        let (spring, autumn) = (try period("2026-03-29"), try period("2026-10-25"))
        #expect(spring.to - spring.from == .hours(23))
        #expect(autumn.to - autumn.from == .hours(25))
    }

    @Test func `a midnight that is skipped, or comes twice, cuts once`() throws {
        #expect(try period("2026-09-06", Self.santiago).from == utc(2026, 9, 6, 4))
        #expect(try period("2026-09-05", Self.santiago).to == utc(2026, 9, 6, 4))
        // 24:00 on the 4th becomes 23:00 again: the 5th begins an hour later.
        #expect(try period("2026-04-05", Self.santiago).from == utc(2026, 4, 5, 4))
        // 1:00 becomes 0:00: the day has begun already.
        #expect(try period("2026-11-01", Self.havana).from == utc(2026, 11, 1, 4))
        #expect(try period("2026-11-01", Self.havana).to == utc(2026, 11, 2, 5))
    }

    @Test func `days follow each other without gap or overlap in every zone`() {
        for zone in [Self.london, Self.santiago, Self.havana, .utc] {
            let days = LocalDays(zone: zone)
            for day in CivilDay(year: 2026, month: 1, day: 1)
                .daysSinceEpoch..<CivilDay(year: 2027, month: 1, day: 1).daysSinceEpoch
            {
                let (start, next) = (days.start(of: day), days.start(of: day + 1))
                #expect([TimeSpan.hours(23), .hours(24), .hours(25)].contains(next - start))
                #expect(days.day(of: start) == day && days.day(of: next + .microseconds(-1)) == day)
            }
        }
    }

    @Test(arguments: [
        ("2026-02-30", "there is no day 2026-02-30"), ("2026-13", "there is no month 2026-13"), ("2026", "say 2026-11, "),
        ("", "say 2026-11, "), ("2026-1-1", "say 2026-11, "), ("1.11.2026", "say 2026-11, "), ("2026-11-01..", "say 2026-11, "),
        ("2026-11-05..2026-11-01", "say 2026-11-01..2026-11-05"), ("2026-10..2026-11-05", "give two days or two months"),
        ("2026-12", "has not begun: in Some/Zone today is 2026-11-21"), ("2026-11-22", "has not begun"),
        ("-026-11-01", "say 2026-11, "), ("2026-11-01..2026-11-02..2026-11-03", "say 2026-11, "), ("2026-11-٠١", "say 2026-11, "),
    ]) func `what is no period is refused with the text and the mend`(text: String, mend: String) {
        let error = #expect(throws: PeriodError.self) { try self.period(text) }
        #expect(error?.description.contains(mend) == true, "\(error?.description ?? "")")
        #expect(error?.description.hasPrefix("period ") == true)
    }

    @Test func `a day that the zone left out is refused`() {
        let error = #expect(throws: PeriodError.self) { try self.period("2011-12-30", Self.apia) }
        #expect(error?.description == "period 2011-12-30: there was no such day in Some/Zone")
    }

    @Test func `the flow is counted by local days, and a day without anything is there`() throws {
        let october = try period("2026-10-24..2026-10-27")
        func at(_ time: Timestamp, _ kind: MovementKind) -> MovementKey {
            MovementKey(recorded: time, effective: nil, series: Series(type: "t", currency: nil), kind: kind)
        }
        let book: MovementBook = [
            at(utc(2026, 10, 24, 22, 45), .created): Tally(count: 1, amount: 0),
            at(utc(2026, 10, 24, 23), .created): Tally(count: 2, amount: 0),
            at(utc(2026, 10, 25, 23, 45), .completed): Tally(count: 4, amount: 0),
            at(utc(2026, 10, 26), .cancelled): Tally(count: 8, amount: 0),
            at(utc(2026, 10, 28), .created): Tally(count: 99, amount: 0),
        ]
        let flow = RollForward.flow(book, in: october, zone: Self.london)
        #expect(flow.map(\.day) == ["2026-10-24", "2026-10-25", "2026-10-26", "2026-10-27"])
        #expect(
            flow.map(\.created) == [1, 2, 0, 0] && flow.map(\.completed) == [0, 4, 0, 0] && flow.map(\.cancelled) == [0, 0, 8, 0])
    }

    @Test func `late arrivals are of the period before, and lines without anything are left out`() throws {
        let series = Series(type: "t", currency: "EUR")
        let period = try period("2026-11-02")
        func key(_ effective: Timestamp?, _ kind: MovementKind = .created) -> MovementKey {
            MovementKey(recorded: period.from, effective: effective, series: series, kind: kind)
        }
        let book: MovementBook = [
            key(nil): Tally(one: 1), key(period.from + .hours(-1)): Tally(one: 20), key(nil, .purgedSettled): Tally(one: 400),
            key(nil, .purgedOpen): Tally(one: 20),
        ]
        let lines = RollForward.lines(
            opening: [series: Tally(one: 7)], movements: book, in: period,
            live: [Series(type: "u", currency: nil): Tally(one: nil)])
        #expect(lines.map(\.series.type) == ["t", "u"])
        #expect(lines[0].created == Tally(count: 2, amount: 21) && lines[0].late == Tally(one: 20))
        #expect(lines[0].closing == Tally(count: 2, amount: 8) && lines[0].check == lines[0].closing)
        #expect(lines[1].check == Tally(count: -1, amount: 0))
        #expect(RollForward.lines(opening: [:], movements: [key(nil, .purgedSettled): Tally(one: 4)], in: period) == [])
    }
}
